//! Whose connection it is: each host has its own way to state it, and the observer receives it on all of them.

use std::net::{IpAddr, Ipv4Addr};

use super::{Auth, READER, UNKNOWN, everywhere, serve::Host};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn the_observer_learns_the_address_on_every_host() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        case.with_key("/v1/me", READER).await;
        case.with_key("/v1/me", UNKNOWN).await;
        case.get("/health", &[]).await;
        case.call("/inventory.v1.Stock/Look", &[]).await;
        let peers: Vec<_> = case.auth.decisions().iter().map(|seen| seen.peer).collect();
        assert_eq!(peers, [Some(LOOPBACK); 4], "{case}");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_never_made_up() {
    let auth = Auth::new();
    let mut mount = auth.mount();
    mount.peers = false;
    everywhere(&auth, &mount, async |case| {
        let claims = [("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1"), ("x-api-key", READER)];
        assert_eq!(case.get("/v1/me", &claims).await.status, 200, "{case}");
        let peers: Vec<_> = case.auth.decisions().iter().map(|seen| seen.peer).collect();
        // tonic always tells.
        assert_eq!(peers, [(case.host == Host::Tonic).then_some(LOOPBACK)], "{case}");
    })
    .await;
}
