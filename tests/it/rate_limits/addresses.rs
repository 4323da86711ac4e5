//! Whose address counts: pitfall 47.

use std::net::SocketAddr;

use axum::{extract::ConnectInfo, routing};
use http::{HeaderName, HeaderValue, Request, Version};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use tower_auth::{AuthStack, ClientIp, Quota, RateLimitLayer};

use super::{Claimed, alice, ask, from, hand, over};
use crate::{
    no_leak::Logs,
    support::{Body, client, get, sockets::Running},
};

const PROXY: &str = "10.0.0.1";

/// Counts by address, and the requests whose addresses are distinguished.
struct Counted(RateLimitLayer);

impl Counted {
    fn new(ip: ClientIp) -> Self {
        Self(RateLimitLayer::by_address(Quota::per_hour(50_000), ip).clock(&hand()))
    }

    /// Whether this request counts as one from this address, on the connection itself.
    async fn is(&self, request: Request<Body>, address: &str) -> bool {
        let service = over(&self.0);
        let left = async |request| ask(&service, request).await.remaining().unwrap();
        // A connection that no test asks from otherwise, and that trusts nobody.
        let plain = |address: &str| from(address, get("/", &[]));
        let before = left(plain(address)).await;
        left(request).await;
        let after = left(plain(address)).await;
        assert!(before - after == 1 || before - after == 2);
        before - after == 2
    }
}

fn behind() -> Counted {
    Counted::new(ClientIp::behind(["10.0.0.0/8", "fd00::/8", "2001:db8:ffff::1"]).unwrap())
}

/// A request through a proxy with these lines.
fn forwarded(peer: &str, lines: &[&str]) -> Request<Body> {
    let mut request = from(peer, get("/", &[]));
    for line in lines {
        request.headers_mut().append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    request
}

#[tokio::test]
async fn p47_the_last_hop_that_is_none_of_ours_counts() {
    let counted = behind();
    for (peer, lines, address) in [
        (PROXY, &["192.0.2.1"][..], "192.0.2.1"),
        // What a client writes stands further left.
        (PROXY, &["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        (PROXY, &["198.51.100.9,192.0.2.1,10.2.3.4"], "192.0.2.1"),
        (PROXY, &["10.9.9.9, 192.0.2.1"], "192.0.2.1"),
        (PROXY, &["192.0.2.1, 10.1.1.1, 10.2.2.2, fd00::7"], "192.0.2.1"),
        // Several lines are one list (RFC 9110, section 5.3).
        (PROXY, &["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
        (PROXY, &["198.51.100.9, 192.0.2.1", "10.1.1.1"], "192.0.2.1"),
        (PROXY, &["192.0.2.1", "10.1.1.1", "10.2.2.2,10.3.3.3"], "192.0.2.1"),
        // Spaces, tabs, ports, brackets.
        (PROXY, &[" \t192.0.2.1 \t"], "192.0.2.1"),
        (PROXY, &["192.0.2.1:4711"], "192.0.2.1"),
        (PROXY, &["[2001:db8:1::1]:4711"], "2001:db8:1::1"),
        (PROXY, &["[2001:db8:1::1]"], "2001:db8:1::1"),
        (PROXY, &["2001:db8:1::1, [fd00::1]:80, 10.1.1.1:80"], "2001:db8:1::1"),
        // A network of one address.
        (PROXY, &["192.0.2.1, 2001:db8:ffff::1"], "192.0.2.1"),
        (PROXY, &["192.0.2.1, 2001:db8:ffff::2"], "2001:db8:ffff::2"),
        // IPv4 as IPv6 is written, in the connection and in the header.
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        (PROXY, &["::ffff:192.0.2.1"], "192.0.2.1"),
        (PROXY, &["192.0.2.1, [::ffff:10.9.9.9]:80"], "192.0.2.1"),
        (PROXY, &["::ffff:c000:201"], "192.0.2.1"),
        // All of them are ours: the one that is furthest away.
        (PROXY, &["10.7.7.7, 10.8.8.8"], "10.7.7.7"),
        (PROXY, &["10.7.7.7", "10.8.8.8"], "10.7.7.7"),
        ("fd00::5", &["10.7.7.7"], "10.7.7.7"),
        // No header at all: it is our own proxy that asks.
        (PROXY, &[], PROXY),
        (PROXY, &[""], PROXY),
    ] {
        assert!(counted.is(forwarded(peer, lines), address).await, "{peer} {lines:?} is not {address}");
    }
}

/// What cannot be read was not written by one of ours: the proxy that passed it on counts.
#[tokio::test]
async fn p47_garbage_counts_as_the_hop_that_passed_it_on() {
    let counted = behind();
    for garbage in [
        "garbage",
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1.5",
        "0300.0.2.1",
        "3221225985",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.1 10.0.0.1",
        "[192.0.2.1",
        "for=192.0.2.1",
        "2001:db8::1::1",
        "localhost",
        "192.0.2.1\u{e9}",
    ] {
        for (lines, address) in [
            (vec![garbage.to_owned()], PROXY),
            (vec![format!("198.51.100.9, {garbage}")], PROXY),
            (vec![format!("198.51.100.9, {garbage}, 10.5.5.5")], "10.5.5.5"),
            (vec![format!("198.51.100.9, {garbage}"), "10.5.5.5, 10.6.6.6".to_owned()], "10.5.5.5"),
            (vec![garbage.to_owned(), "192.0.2.1".to_owned()], "192.0.2.1"),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert!(counted.is(forwarded(PROXY, &lines), address).await, "{lines:?} is not {address}");
        }
    }
}

/// Nobody whom we do not know is believed.
#[tokio::test]
async fn p47_a_stranger_who_writes_the_header_counts_by_the_connection() {
    for ip in [ClientIp::peer(), ClientIp::behind(["10.0.0.0/8"]).unwrap()] {
        let counted = Counted::new(ip);
        for (peer, lines) in [
            ("203.0.113.5", &["192.0.2.1"][..]),
            ("203.0.113.5", &["10.0.0.1"]),
            ("203.0.113.5", &["192.0.2.1, 10.0.0.1"]),
            ("2001:db8:5::5", &["192.0.2.1"]),
            // Not in the network, though it looks so.
            ("11.0.0.1", &["192.0.2.1"]),
            ("::ffff:11.0.0.1", &["192.0.2.1"]),
        ] {
            assert!(counted.is(forwarded(peer, lines), peer).await, "{peer} {lines:?}");
        }
    }
    let direct = Counted::new(ClientIp::peer());
    assert!(direct.is(forwarded(PROXY, &["192.0.2.1"]), PROXY).await, "nobody stands in between");
}

#[tokio::test]
async fn p47_a_header_of_ones_own_is_read_instead() {
    let name = HeaderName::from_static("cf-connecting-ip");
    let counted = Counted::new(ClientIp::behind(["10.0.0.0/8"]).unwrap().header(name));
    let request = |peer: &str, value: &str| {
        let mut request = forwarded(peer, &["198.51.100.9"]);
        request.headers_mut().insert("cf-connecting-ip", value.parse().unwrap());
        request
    };
    for (peer, value, address) in [
        (PROXY, "192.0.2.1", "192.0.2.1"),
        (PROXY, "2001:db8:1::1", "2001:db8:1::1"),
        (PROXY, "garbage", PROXY),
        ("203.0.113.5", "192.0.2.1", "203.0.113.5"),
    ] {
        assert!(counted.is(request(peer, value), address).await, "{peer} {value}");
    }
    assert!(counted.is(forwarded(PROXY, &["192.0.2.1"]), PROXY).await, "the other is not read any more");
}

/// A customer has a /64 of IPv6, and one address of IPv4.
#[tokio::test]
async fn p47_ipv6_is_counted_by_the_64() {
    let counted = Counted::new(ClientIp::peer());
    let one = |address: &str| from(address, get("/", &[]));
    for (address, other, same) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("2001:db8:1:2::1", "2001:db8:1:1:ffff:ffff:ffff:ffff", false),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "::ffff:192.0.2.2", false),
        // Not the same, though the bits are.
        ("0.0.0.1", "::1", false),
        ("0.0.0.0", "::", false),
    ] {
        assert_eq!(counted.is(one(other), address).await, same, "{address} {other}");
    }
}

/// Whatever a client writes, it counts by what our proxy wrote behind it.
#[test]
fn p47_no_header_of_a_client_changes_whom_it_counts_as() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let counted = behind();
    let part = select(vec![
        "192.0.2.77",
        "10.0.0.9",
        "::1",
        "[::1]:80",
        "",
        " ",
        ",",
        ",,",
        "garbage",
        "fd00::1",
        "\t",
        "1.2.3.4:",
        "[",
    ]);
    TestRunner::default()
        .run(&vec(vec(part, 0..5).prop_map(|parts| parts.join(",")), 0..4), |written| {
            let mut lines: Vec<String> = written;
            // The proxy appends to the last line, or writes one of its own.
            match lines.last_mut() {
                Some(last) if !last.trim().is_empty() => last.push_str(", 192.0.2.1"),
                _ => lines.push("192.0.2.1".to_owned()),
            }
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert!(runtime.block_on(counted.is(forwarded(PROXY, &lines), "192.0.2.1")), "{:?}", lines);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn p47_without_an_address_nobody_is_let_in_and_the_log_says_how_to_mend_it() {
    let ips = || [ClientIp::peer(), ClientIp::behind(["10.0.0.0/8"]).unwrap()];
    for ip in ips() {
        for layer in [
            RateLimitLayer::by_address(Quota::per_minute(5), ip.clone()),
            RateLimitLayer::failures(Quota::per_minute(5), ip),
        ] {
            for in_a_stack in [true, false] {
                let logs = Logs::capture();
                let told = if in_a_stack {
                    let stack = AuthStack::builder().auth(Claimed).limit(layer.clone()).clock(&hand()).build().unwrap();
                    ask(&over(&stack), alice()).await
                } else {
                    ask(&over(&layer), alice()).await
                };
                assert_eq!((told.status, told.retry_after()), (500, None));
                let lines = logs.text();
                let line = lines.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("{lines}"));
                for word in ["into_make_service_with_connect_info", "PeerAddr", "rate_limit"] {
                    assert!(line.contains(word), "{line}");
                }
                assert!(!told.body.contains("connect_info"), "that is for the log: {}", told.body);
            }
        }
    }
}

/// On a socket, as the log says it: axum with the address, and without.
#[tokio::test]
async fn p47_axum_tells_the_address_where_it_is_asked_to() {
    for (tells, status) in [(true, 200), (false, 500)] {
        let layer = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).clock(&hand());
        let app = axum::Router::new().route("/", routing::get(|| async { "hello" })).layer(layer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            if tells {
                axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
            } else {
                axum::serve(listener, app).await.unwrap();
            }
        });
        let server = Running::new(address, task);
        let request = Request::get(format!("http://{}/", server.address)).body(Body::default()).unwrap();
        let answer = client::ask(Version::HTTP_11, request).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-ratelimit-remaining"), if tells { vec!["4"] } else { vec![] });
    }
    // A word of the service's own counts before the host's.
    let service = over(&RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).clock(&hand()));
    for own in ["192.0.2.1", "192.0.2.2"] {
        let mut request = from(own, get("/", &[]));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([203, 0, 113, 5], 80))));
        assert_eq!(ask(&service, request).await.remaining(), Some(4));
    }
}
