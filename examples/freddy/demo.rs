//! The keys, tokens and user of the demo.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tower_auth::{BoxError, KeyRegistry, KeyScheme, KeyState};

use crate::{
    common::{ORGANIZATION, OTHER_ORGANIZATION, adopt, limited, reader, suspended},
    login::Users,
    tokens::Mint,
};

const EMAIL: &str = "demo@example.com";

/// Creates a key of every kind, a user and tokens, and returns them by name.
pub(crate) async fn create(
    scheme: &KeyScheme,
    registry: &KeyRegistry,
    users: &mut Users,
    mint: &Mint,
) -> Result<Value, BoxError> {
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    let records = [
        ("read", reader("read")),
        ("write", reader("write").scopes(["read", "write"])),
        ("admin", reader("admin").scopes(["read", "write", "webhook"]).roles(["admin"])),
        ("webhook", reader("webhook").scopes(["webhook"])),
        ("expired", reader("expired").expires_at(a_minute_ago)),
        ("paused", reader("paused").state(KeyState::Paused)),
        ("deactivated", reader("deactivated").state(KeyState::Deactivated)),
        ("revoked", reader("revoked").state(KeyState::Revoked)),
        ("suspended", suspended()),
        ("premium", reader("premium").plan("premium")),
        ("limited", limited()?),
    ];
    let mut demo = adopt(registry, scheme, records).await?;
    let (token, expired) = mint.demo()?;
    demo.insert("token".to_owned(), token.into());
    demo.insert("expired_token".to_owned(), expired.into());
    demo.insert("email".to_owned(), EMAIL.into());
    demo.insert("password".to_owned(), users.create(EMAIL)?.into());
    demo.insert("organization".to_owned(), ORGANIZATION.into());
    demo.insert("other_organization".to_owned(), OTHER_ORGANIZATION.into());
    Ok(demo.into())
}
