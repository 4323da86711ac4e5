//! Networks: which address is compared, how, and what happens where no address is known.

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ClientIp, KeyRecord, Quota,
    RateLimitLayer, Rejection, RequestHead,
};

use super::{PEER, ask, layers, of_networks, of_origins, request, told};
use crate::support::{KEY, get, ok};

const REFUSED: (u16, &str) = (403, "IP_NOT_ALLOWED");
const ADMITTED: (u16, &str) = (200, "");

#[tokio::test]
async fn an_address_in_a_network_is_admitted_and_no_other() {
    let key = of_networks(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "::ffff:198.51.100.0/120"]);
    for (peer, (status, code)) in [
        ("10.1.2.3", ADMITTED),
        ("::ffff:10.1.2.3", ADMITTED),
        ("2001:db8::1", ADMITTED),
        ("192.0.2.7", ADMITTED),
        ("::ffff:192.0.2.7", ADMITTED),
        ("198.51.100.9", ADMITTED),
        ("11.0.0.1", REFUSED),
        ("192.0.2.8", REFUSED),
        ("198.51.101.9", REFUSED),
        ("2001:db9::1", REFUSED),
        ("::ffff:11.0.0.1", REFUSED),
        // 10.1.2.3 inside IPv6 addresses that are not its mapped form.
        ("64:ff9b::a01:203", REFUSED),
        ("2002:a01:203::1", REFUSED),
        ("::a01:203", REFUSED),
    ] {
        let told = told(&key, Some(&ClientIp::peer()), || request(peer, &[])).await;
        assert_eq!((told.status, told.code.as_str()), (status, code), "{peer}");
        assert!(status == 200 || told.cause.contains("may not be used from"), "{told:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_address_is_the_one_that_the_proxy_wrote() {
    let key = of_networks(&["192.0.2.0/24"]);
    let behind = ClientIp::behind(["10.0.0.0/8"]).unwrap();
    for (peer, forwarded, expected) in [
        ("10.0.0.1", &["192.0.2.9"][..], ADMITTED),
        ("10.0.0.1", &["203.0.113.5"], REFUSED),
        ("10.0.0.1", &["203.0.113.5, 192.0.2.9"], ADMITTED),
        // The client wrote the left one.
        ("10.0.0.1", &["192.0.2.9, 203.0.113.5"], REFUSED),
        ("10.0.0.1", &["192.0.2.9", "203.0.113.5"], REFUSED),
        ("10.0.0.1", &["192.0.2.9, 203.0.113.5, 10.0.0.2"], REFUSED),
        ("10.0.0.1", &["::ffff:192.0.2.9"], ADMITTED),
        // The connection does not come from the proxy.
        ("203.0.113.5", &["192.0.2.9"], REFUSED),
        ("192.0.2.9", &["203.0.113.5"], ADMITTED),
    ] {
        let headers: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let told = told(&key, Some(&behind), || request(peer, &headers)).await;
        assert_eq!((told.status, told.code.as_str()), expected, "{peer} {forwarded:?}");
    }
    let spoofed = || request("203.0.113.5", &[("x-forwarded-for", "192.0.2.9")]);
    told(&key, Some(&ClientIp::peer()), spoofed).await.assert(403, "IP_NOT_ALLOWED");
}

/// The network of the proxies must not admit whoever a proxy does not name.
#[tokio::test]
async fn a_client_without_a_name_is_not_the_proxy() {
    let key = of_networks(&["10.0.0.0/8"]);
    let behind = ClientIp::behind(["10.0.0.0/8"]).unwrap();
    for unnamed in ["unknown", "_hidden", "192.0.2.9, unknown", "10.0.0.3, unknown, 10.0.0.2"] {
        let told = told(&key, Some(&behind), || request("10.0.0.1", &[("x-forwarded-for", unnamed)])).await;
        told.assert(403, "IP_NOT_ALLOWED");
        assert!(told.cause.contains("did not name the client"), "{told:?}");
    }
    told(&key, Some(&behind), || request("10.0.0.1", &[])).await.assert(200, "");
    told(&key, Some(&behind), || request("10.0.0.1", &[("x-forwarded-for", "10.0.0.7")])).await.assert(200, "");
}

#[tokio::test]
async fn a_stack_that_knows_no_address_answers_500_to_keys_with_networks_only() {
    let key = of_networks(&["192.0.2.0/24"]);
    let without = told(&key, None, || request(PEER, &[])).await;
    without.assert(500, "INTERNAL_ERROR");
    for setting in ["AuthStackBuilder::client_ip", "ApiKeyLayer::client_ip"] {
        assert!(without.cause.contains(setting), "{without:?}");
    }
    // The setting is there, and the host provides no address.
    let peerless = told(&key, Some(&ClientIp::peer()), || get("/", &[("x-api-key", KEY)])).await;
    peerless.assert(500, "INTERNAL_ERROR");
    assert!(peerless.cause.contains("PeerAddr"), "{peerless:?}");
    for other in [KeyRecord::new("key_1", "acme"), of_origins(&["https://app.example.com"])] {
        let origin = [("origin", "https://app.example.com")];
        told(&other, None, || request(PEER, &origin)).await.assert(200, "");
        told(&other, Some(&ClientIp::peer()), || get("/", &[("x-api-key", KEY), origin[0]])).await.assert(200, "");
    }
}

#[tokio::test]
async fn a_layer_alone_has_a_setting_of_its_own() {
    async fn status(layer: &ApiKeyLayer, peer: &str) -> u16 {
        layer.layer(ok()).oneshot(request(peer, &[])).await.unwrap().status().as_u16()
    }
    for keys in layers(&of_networks(&["192.0.2.0/24"])) {
        assert_eq!(status(&keys, PEER).await, 500);
        let peer = keys.clone().client_ip(ClientIp::peer());
        assert_eq!((status(&peer, PEER).await, status(&peer, "203.0.113.5").await), (200, 403));
        // In a stack, it replaces the setting of the stack for keys.
        let behind = ClientIp::behind(["10.0.0.0/8"]).unwrap();
        let stack = AuthStack::builder().auth(peer).client_ip(behind).build().unwrap();
        ask(&stack, request("10.0.0.1", &[("x-forwarded-for", PEER)])).await.assert(403, "IP_NOT_ALLOWED");

        let misplaced = keys.clone().client_ip(ClientIp::of_stack());
        assert_eq!(status(&misplaced, PEER).await, 500);
        let error = AuthStack::builder().auth(misplaced).build().unwrap_err().to_string();
        assert!(error.contains("ApiKeyLayer::client_ip"), "{error}");
        let header = ClientIp::peer().header(http::header::FORWARDED);
        assert!(AuthStack::builder().auth(keys.client_ip(header)).build().is_err());
    }
}

#[tokio::test]
async fn the_setting_of_a_limit_by_address_is_enough() {
    for keys in layers(&of_networks(&["192.0.2.0/24"])) {
        let limit =
            RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer().exempt(["203.0.113.0/24"]).unwrap());
        let stack = AuthStack::builder().auth(keys).limit(limit).build().unwrap();
        ask(&stack, request(PEER, &[])).await.assert(200, "");
        // An address that limits do not count is an address nevertheless.
        ask(&stack, request("203.0.113.5", &[])).await.assert(403, "IP_NOT_ALLOWED");
    }
}

/// Finds no credential, after it was waited for.
struct Nothing;

impl Authenticator for Nothing {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::boxed(async {
            tokio::task::yield_now().await;
            AuthOutcome::NoCredential
        })
    }

    fn challenge(&self) -> &'static str {
        "Nothing"
    }
}

#[tokio::test]
async fn a_method_in_front_that_is_waited_for_changes_nothing() {
    for keys in layers(&of_networks(&["192.0.2.0/24"])) {
        let auth = AuthLayer::first(Nothing).then(keys);
        let stack = AuthStack::builder().auth(auth).client_ip(ClientIp::peer()).build().unwrap();
        ask(&stack, request(PEER, &[])).await.assert(200, "");
        ask(&stack, request("203.0.113.5", &[])).await.assert(403, "IP_NOT_ALLOWED");
    }
}

/// A budget of failed attempts in front of a layer alone exempts addresses, so it says nothing reliable about them.
#[tokio::test]
async fn a_budget_in_front_of_a_layer_alone_is_no_setting() {
    for keys in layers(&of_networks(&["192.0.2.0/24"])) {
        let service = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()).layer(keys.layer(ok()));
        let response = service.oneshot(request(PEER, &[])).await.unwrap();
        assert_eq!(Rejection::of(&response).unwrap().status(), 500);
    }
}
