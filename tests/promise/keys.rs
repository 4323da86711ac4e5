//! Keys that follow from a number, so that all processes know them.

use tower_auth::{KeyFormat, KeyRecord, KeyRegistry, KeyScheme, Secret, registry::Actor};

pub(crate) fn scheme() -> KeyScheme {
    KeyScheme::sha256(KeyFormat::opaque(20))
}

pub(crate) fn secret(number: u32) -> String {
    format!("promise_{number:032}")
}

pub(crate) fn id(number: u32) -> String {
    format!("key_{number}")
}

pub(crate) fn actor() -> Actor {
    Actor::named("promise")
}

pub(crate) async fn import(registry: &KeyRegistry, number: u32) {
    let (secret, record) = (Secret::new(secret(number)), KeyRecord::new(id(number), "acme"));
    registry.import(actor(), "promise", &secret, record).await.unwrap();
}
