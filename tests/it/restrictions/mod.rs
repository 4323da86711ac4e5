//! What a key says about its use: networks, origins, environment, how long it may be unused, and what nobody
//! understands. Each is checked with a store that answers at once and with one that has to be waited for.

mod addresses;
mod answers;
mod environment;
mod idle;
mod origins;
mod values;

use std::net::IpAddr;

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyRecord, PeerAddr, Rejection, Restrictions, testing::ManualClock,
};

use crate::{
    rules_keys::Slow,
    support::{Body, KEY, get, json, ok, store},
};

const NOW: &str = "2027-01-15T08:00:00Z";
const PEER: &str = "192.0.2.1";

fn record(restrictions: Restrictions) -> KeyRecord {
    KeyRecord::new("key_1", "acme").restrictions(restrictions)
}

fn of_networks(networks: &[&str]) -> KeyRecord {
    record(Restrictions::new().networks(networks).unwrap())
}

fn of_origins(origins: &[&str]) -> KeyRecord {
    record(Restrictions::new().origins(origins).unwrap())
}

/// A request with the key from this address, with these headers.
fn request(peer: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get("/", &[&[("x-api-key", KEY)], headers].concat());
    request.extensions_mut().insert(PeerAddr(peer.parse::<IpAddr>().unwrap()));
    request
}

/// The key in a store that answers at once, and in one that has to be waited for.
fn layers(record: &KeyRecord) -> [ApiKeyLayer; 2] {
    let (scheme, keys) = store(record.clone());
    [ApiKeyLayer::new(scheme.clone(), keys.clone()), ApiKeyLayer::new(scheme, Slow(keys))]
}

/// What a client is told, and what only the log is.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    code: String,
    cause: String,
}

impl Told {
    fn assert(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code.as_str()), (status, code), "{self:?}");
    }
}

async fn ask(stack: &AuthStack, request: Request<Body>) -> Told {
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let refusal = Rejection::of(&response).cloned();
    let cause = refusal.as_ref().and_then(Rejection::private_cause).map(ToString::to_string).unwrap_or_default();
    let status = response.status().as_u16();
    let code = match refusal {
        Some(_) => json(response).await["error"]["code"].as_str().unwrap().to_owned(),
        None => String::new(),
    };
    Told { status, code, cause }
}

/// What the holder of such a key is told in a stack with this setting.
async fn told(record: &KeyRecord, client_ip: Option<&ClientIp>, request: impl Fn() -> Request<Body>) -> Told {
    let mut all = Vec::new();
    for keys in layers(record) {
        let builder = AuthStack::builder().auth(keys.disclose(Disclosure::State)).clock(&ManualClock::at(NOW));
        let builder = match client_ip {
            Some(client_ip) => builder.client_ip(client_ip.clone()),
            None => builder,
        };
        all.push(ask(&builder.build().unwrap(), request()).await);
    }
    assert_eq!(all[0], all[1], "a store that is waited for makes no difference");
    all.remove(0)
}
