//! p76: whose address counts.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Request, Response, header::FORWARDED};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthStack, ClientIp, PeerAddr, Quota, RateLimitLayer, Rejection,
    testing::{FakeAuth, ManualClock},
};

use crate::support::{Body, get, ok, strict};

const PROXY: &str = "10.0.0.1";

fn behind() -> ClientIp {
    ClientIp::behind(["10.0.0.0/8", "fd00::/8"]).unwrap()
}

fn from(peer: &str, name: &HeaderName, lines: &[&str]) -> Request<Body> {
    let mut request = get("/", &[]);
    request.extensions_mut().insert(PeerAddr(peer.parse().unwrap()));
    for line in lines {
        request.headers_mut().append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    request
}

fn peer(address: &str) -> Request<Body> {
    from(address, &XFF, &[])
}

const XFF: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether two requests count together: of one request in an hour the second is refused.
async fn together(ip: &ClientIp, one: Request<Body>, other: Request<Body>) -> bool {
    let clock = ManualClock::at("2027-01-15T08:00:00Z");
    let layer = RateLimitLayer::by_address(Quota::per_hour(1), ip.clone()).clock(&clock);
    let first = layer.layer(ok()).oneshot(one).await.unwrap();
    assert_eq!(first.status(), 200);
    layer.layer(ok()).oneshot(other).await.unwrap().status() == 429
}

/// The address that counts, asked of a limit and of the public method.
async fn counted(ip: &ClientIp, request: impl Fn() -> Request<Body>, address: &str) {
    let (parts, _) = request().into_parts();
    assert_eq!(ip.resolve(&parts).unwrap(), address.parse::<IpAddr>().unwrap(), "{:?}", parts.headers);
    // Told apart without a proxy, since a proxy's own address is exempt nowhere.
    let plain = peer(address);
    assert!(together(ip, request(), plain).await, "{:?}", parts.headers);
}

#[tokio::test]
async fn p76_networks_of_ipv4_written_as_ipv6_are_networks_of_ipv4() {
    for (network, inside, outside) in [
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
        ("::ffff:a00:0/104", "10.1.2.3", "11.0.0.1"),
        ("0:0:0:0:0:FFFF:10.0.0.0/104", "::ffff:10.1.2.3", "11.0.0.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.255", "192.0.3.0"),
        ("::ffff:192.0.2.7/128", "192.0.2.7", "192.0.2.8"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        (" 192.0.2.7 ", "::ffff:192.0.2.7", "192.0.2.8"),
    ] {
        let ip = ClientIp::behind([network]).unwrap();
        for (proxy, address) in [(inside, "203.0.113.9"), (outside, outside)] {
            counted(&ip, || from(proxy, &XFF, &["203.0.113.9"]), address).await;
        }
    }
}

#[test]
fn p76_networks_that_believe_strangers_are_refused() {
    let all_but_some: Vec<String> = (0..=255).filter(|at| at % 2 == 0).map(|at| format!("{at}.0.0.0/8")).collect();
    let all: Vec<String> = (0..=255).map(|at| format!("{at}.0.0.0/8")).collect();
    let most_v6: Vec<String> = (0x2000..=0x3fff).step_by(2).map(|at| format!("{at:x}::/16")).collect();
    let all_but_some: Vec<&str> = all_but_some.iter().map(String::as_str).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let most_v6: Vec<&str> = most_v6.iter().map(String::as_str).collect();
    for networks in [
        &["0.0.0.0/0"][..],
        &["10.0.0.0/8", "0.0.0.0/0"],
        &["0.0.0.0/1", "128.0.0.0/1"],
        &["128.0.0.0/1"],
        &["64.0.0.0/2"],
        &["0.0.0.0/7"],
        &["::/0"],
        &["::/1", "8000::/1"],
        &["2000::/3"],
        &["2000::/12"],
        &["::ffff:0:0/96"],
        &["::ffff:0.0.0.0/97", "::ffff:128.0.0.0/97"],
        &["::ffff:10.0.0.0/100"],
        // Shorter than what is IPv4.
        &["::ffff:10.0.0.0/95"],
        &["::ffff:10.0.0.0/64"],
        &["::/64"],
        &all,
        &all_but_some,
        &most_v6,
        &[],
        &[""],
        &["10.0.0.0/33"],
        &["10.0.0.0/-1"],
        &["10.0.0.0/255.0.0.0"],
        &["10.0.0/8"],
        &["fe80::1%eth0"],
        &["proxy.example.com"],
        &["10.0.0.0/8, 192.168.0.0/16"],
    ] {
        for (told, whose) in
            [(ClientIp::behind(networks), "ClientIp::behind"), (ClientIp::peer().exempt(networks), "ClientIp::exempt")]
        {
            let error = told.expect_err(&format!("{:?}", &networks[..networks.len().min(3)])).to_string();
            assert!(error.contains(whose) && error.contains("; help: name only"), "{error}");
        }
    }
    for networks in [
        &["10.0.0.0/8", "11.0.0.0/8"][..],
        &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"],
        &["fc00::/7", "fe80::/10", "::1"],
        &["fd00::/8"],
        &["2600::/16"],
        &["64:ff9b::/96"],
        &["10.1.2.3/8"],
    ] {
        assert!(ClientIp::behind(networks).is_ok(), "{networks:?}");
    }
    let error = ClientIp::behind(["::ffff:10.0.0.0/64"]).unwrap_err().to_string();
    assert!(error.contains("write IPv4 networks as IPv4"), "{error}");
}

#[tokio::test]
async fn p76_every_spelling_of_a_hop_is_read() {
    let ip = behind();
    for (lines, address) in [
        // Empty elements are none.
        (&["203.0.113.1,"][..], "203.0.113.1"),
        (&["203.0.113.1, "], "203.0.113.1"),
        (&["203.0.113.1,, ,\t,10.2.2.2,"], "203.0.113.1"),
        (&[",203.0.113.1"], "203.0.113.1"),
        (&["203.0.113.1", ""], "203.0.113.1"),
        (&["203.0.113.1", " ,"], "203.0.113.1"),
        (&["\"\", 203.0.113.1"], "203.0.113.1"),
        // Quoted, with brackets, ports and zones.
        (&["\"203.0.113.1\""], "203.0.113.1"),
        (&["\"203.0.113.1:443\""], "203.0.113.1"),
        (&["\"[2001:db8::1]:443\""], "2001:db8::1"),
        (&["\"[2001:db8::1]\""], "2001:db8::1"),
        (&["\"2001:db8::1\" , \"10.1.1.1\""], "2001:db8::1"),
        (&["\" 203.0.113.1 \""], "203.0.113.1"),
        (&["fe80::1%eth0"], "fe80::1"),
        (&["fe80::1%25eth0"], "fe80::1"),
        (&["[fe80::1%eth0]:80"], "fe80::1"),
        (&["\"[fe80::1%25en0.1]:80\""], "fe80::1"),
        (&["198.51.100.7, fd00::1%3"], "198.51.100.7"),
        (&["[::ffff:203.0.113.1]:80"], "203.0.113.1"),
        // What a client left open further left swallows nothing.
        (&["\"198.51.100.9, 203.0.113.1"], "203.0.113.1"),
        (&["\"198.51.100.9", "\"203.0.113.1\""], "203.0.113.1"),
        (&["\\\", 203.0.113.1, 10.9.9.9"], "203.0.113.1"),
        (&["a\"b, \"203.0.113.1\""], "203.0.113.1"),
    ] {
        counted(&ip, || from(PROXY, &XFF, lines), address).await;
    }
}

#[tokio::test]
async fn p76_what_cannot_be_read_counts_as_the_hop_that_wrote_it() {
    let ip = behind();
    for garbage in [
        "unknown",
        "_hidden",
        "\"_hidden\"",
        "203.0.113",
        "203.0.113.1:",
        "203.0.113.1:port",
        "203.0.113.1:99999",
        "203.0.113.1:+80",
        "203.0.113.1%eth0",
        "[203.0.113.1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]443",
        "[2001:db8::1]:",
        "2001:db8::1%",
        "2001:db8::1%a b",
        "\"203.0.113.1",
        "203.0.113.1\"",
        "'203.0.113.1'",
        "for=203.0.113.1",
        "\"",
        "\u{e9}",
    ] {
        counted(&ip, || from(PROXY, &XFF, &[garbage]), PROXY).await;
        counted(&ip, || from(PROXY, &XFF, &[&format!("203.0.113.1, {garbage}, 10.5.5.5")]), "10.5.5.5").await;
        // A client chooses nothing by it.
        counted(&ip, || from(PROXY, &XFF, &[&format!("{garbage}, 203.0.113.1")]), "203.0.113.1").await;
        counted(&ip, || from(PROXY, &XFF, &[garbage, "203.0.113.1"]), "203.0.113.1").await;
    }
}

#[tokio::test]
async fn p76_forwarded_is_read_as_rfc_7239_has_it() {
    let ip = behind().header(FORWARDED);
    for (lines, address) in [
        (&["for=203.0.113.1"][..], "203.0.113.1"),
        (&["For=203.0.113.1"], "203.0.113.1"),
        (&["FOR=\"203.0.113.1\""], "203.0.113.1"),
        (&["for=\"203.0.113.1:4711\""], "203.0.113.1"),
        (&["for=203.0.113.1:4711"], "203.0.113.1"),
        (&["for=\"203.0.113.1:_port.1\""], "203.0.113.1"),
        (&["for=\"[2001:db8::1]\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1%25eth0]:4711\""], "2001:db8::1"),
        (&["Proto=https;For=203.0.113.1;by=10.0.0.1"], "203.0.113.1"),
        (&["proto=https ; for=203.0.113.1 ; host=example.com;"], "203.0.113.1"),
        (&["for=198.51.100.9, for=203.0.113.1"], "203.0.113.1"),
        (&["for=198.51.100.9,for=203.0.113.1;proto=http,for=10.2.2.2;by=_me"], "203.0.113.1"),
        (&["for=198.51.100.9", "for=203.0.113.1"], "203.0.113.1"),
        (&["for=203.0.113.1", "For=10.2.2.2, for=\"[fd00::1]:80\""], "203.0.113.1"),
        (&["for=203.0.113.1,", ","], "203.0.113.1"),
        // Text of a client in what a proxy quotes.
        (&["for=203.0.113.1;host=\"a, for=198.51.100.9\""], "203.0.113.1"),
        (&["for=203.0.113.1;host=\"a,for=198.51.100.9,b\""], "203.0.113.1"),
        (&["for=203.0.113.1;host=\"a\\\",for=198.51.100.9;x=\\\"\""], "203.0.113.1"),
        (&["for=203.0.113.1;host=\"a;for=198.51.100.9\""], "203.0.113.1"),
        (&["host=\"\\\\\";for=203.0.113.1"], "203.0.113.1"),
        // What a client left open further left.
        (&["for=\"198.51.100.9, for=203.0.113.1"], "203.0.113.1"),
        (&["for=\"198.51.100.9;x=\\\", for=\"203.0.113.1\""], "203.0.113.1"),
        // No client is named: the proxy that wrote it counts.
        (&["for=unknown"], PROXY),
        (&["for=203.0.113.1, for=_hidden"], PROXY),
        (&["for=203.0.113.1, for=\"_SEVKISEK\", for=10.5.5.5"], "10.5.5.5"),
        (&["for=203.0.113.1, proto=https"], PROXY),
        (&["for=203.0.113.1;for=198.51.100.9"], PROXY),
        (&["203.0.113.1"], PROXY),
        (&["for"], PROXY),
        (&["for="], PROXY),
        (&["forx=203.0.113.1"], PROXY),
        (&["xfor=203.0.113.1"], PROXY),
        (&[], PROXY),
    ] {
        counted(&ip, || from(PROXY, &FORWARDED, lines), address).await;
    }
    counted(&ip, || from(PROXY, &XFF, &["203.0.113.1"]), PROXY).await;
}

/// Whatever a client leaves in the header, it counts by what our proxy appends.
#[test]
fn p76_nothing_that_a_client_writes_is_read_behind_a_proxy() {
    let part = select(vec![
        "\"",
        "\\",
        "\\\"",
        ",",
        ";",
        "=",
        "for=",
        "198.51.100.9",
        "[",
        "]",
        "10.0.0.9",
        "x",
        " ",
        "%",
        "::1",
    ]);
    TestRunner::default()
        .run(&(vec(vec(part, 0..8).prop_map(|parts| parts.concat()), 0..3), any::<bool>()), |(written, joined)| {
            for (ip, name, own) in [
                (behind(), XFF, "203.0.113.1"),
                (behind(), XFF, "\"203.0.113.1:80\""),
                (behind().header(FORWARDED), FORWARDED, "for=203.0.113.1;host=\"a\\\",for=198.51.100.9\""),
                (behind().header(FORWARDED), FORWARDED, "by=_p;For=\"203.0.113.1:80\""),
            ] {
                let mut lines = written.clone();
                match lines.last_mut().filter(|_| joined) {
                    Some(last) => *last = format!("{last}, {own}"),
                    None => lines.push(own.to_owned()),
                }
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let (parts, _) = from(PROXY, &name, &lines).into_parts();
                prop_assert_eq!(ip.resolve(&parts).unwrap().to_string(), "203.0.113.1", "{:?}", lines);
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn p76_an_ipv4_address_inside_ipv6_counts_as_itself() {
    let ip = ClientIp::peer();
    for (one, other, same) in [
        ("64:ff9b::192.0.2.1", "192.0.2.1", true),
        ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false),
        ("64:ff9b:1::192.0.2.1", "192.0.2.1", true),
        ("64:ff9b:1:abcd::192.0.2.1", "192.0.2.1", true),
        ("64:ff9b:1:abcd::192.0.2.1", "64:ff9b:1:abcd::192.0.2.2", false),
        // Embedded elsewhere (RFC 6052, section 2.2): each by itself.
        ("64:ff9b:1:c000:2:100::", "64:ff9b:1:c000:2:200::", false),
        ("64:ff9b:1:c000:2:100::", "64:ff9b:1:c000:2:100::", true),
        ("64:ff9b:2::1", "64:ff9b:2::2", true),
        ("::ffff:0:192.0.2.1", "192.0.2.1", true),
        ("2002:c000:201::1", "192.0.2.1", true),
        ("2002:c000:201:1::1", "2002:c000:201:2::1", true),
        ("2002:c000:201::1", "2002:c000:202::1", false),
        ("2001:0:5ef5:79fb:8000:f227:3fff:fdfe", "192.0.2.1", true),
        ("2001:0:5ef5:79fb:8000:f227:3fff:fdfe", "2001:0:5ef5:79fb:0:1:3fff:fdfd", false),
        ("2001:db8::1", "192.0.2.1", false),
    ] {
        assert_eq!(together(&ip, peer(one), peer(other)).await, same, "{one} {other}");
    }
    // What is trusted is what stands there: nobody makes a proxy of ours out of an address of another kind.
    counted(&behind(), || from("64:ff9b::10.0.0.1", &XFF, &["203.0.113.1"]), "64:ff9b::a00:1").await;
    let translated = ClientIp::behind(["64:ff9b::a00:0/104"]).unwrap();
    counted(&translated, || from("64:ff9b::10.0.0.1", &XFF, &["203.0.113.1"]), "203.0.113.1").await;
}

#[tokio::test]
async fn p76_the_prefix_of_a_customer_can_be_told() {
    for (bits, one, other, same) in [
        (56, "2001:db8:1:200::1", "2001:db8:1:2ff:f::1", true),
        (56, "2001:db8:1:200::1", "2001:db8:1:300::1", false),
        (48, "2001:db8:1::1", "2001:db8:1:ffff::", true),
        (48, "2001:db8:1::1", "2001:db8:2::1", false),
        (32, "2001:db8:1::1", "2001:db8:2::1", true),
        (64, "2001:db8:1:2::1", "2001:db8:1:2:f::1", true),
        (64, "2001:db8:1:2::1", "2001:db8:1:3::1", false),
        (80, "2001:db8::1:0:0:1", "2001:db8::1:f:f:f", true),
        (80, "2001:db8::1:0:0:1", "2001:db8::2:0:0:1", false),
        (128, "2001:db8::1", "2001:db8::2", false),
        (128, "2001:db8::1", "2001:db8::1", true),
        // Of IPv4, it means nothing.
        (32, "192.0.2.1", "192.0.2.2", false),
        (128, "192.0.2.1", "::ffff:192.0.2.1", true),
    ] {
        let ip = ClientIp::peer().ipv6_prefix(bits).unwrap();
        assert_eq!(together(&ip, peer(one), peer(other)).await, same, "/{bits} {one} {other}");
    }
    for bits in [0, 1, 16, 31, 129, 255] {
        let error = ClientIp::peer().ipv6_prefix(bits).unwrap_err().to_string();
        assert!(error.contains(&format!("ipv6_prefix({bits})")) && error.contains("at least 32"), "{error}");
    }
}

/// How many requests pass a limit of two, of three that are sent.
async fn passed(layer: &RateLimitLayer, status: u16, request: impl Fn() -> Request<Body>) -> usize {
    let handler = strict(move |_| Response::builder().status(status).body(Body::default()).unwrap());
    let mut passed = 0;
    for _ in 0..3 {
        passed += usize::from(layer.layer(handler.clone()).oneshot(request()).await.unwrap().status() == status);
    }
    passed
}

#[tokio::test]
async fn p76_exempt_networks_are_not_counted() {
    let ip = behind().exempt(["192.0.2.0/24", "::ffff:198.51.100.7/128", "2001:db8:7::/48", "10.0.0.0/8"]).unwrap();
    let clock = ManualClock::at("2027-01-15T08:00:00Z");
    for (peer, lines, exempt) in [
        ("192.0.2.9", &[][..], true),
        ("::ffff:192.0.2.9", &[], true),
        ("64:ff9b::192.0.2.9", &[], true),
        ("198.51.100.7", &[], true),
        ("198.51.100.8", &[], false),
        ("2001:db8:7:1::1", &[], true),
        ("2001:db8:8::1", &[], false),
        // The client's address decides, and not that of the proxy.
        (PROXY, &["192.0.2.9"], true),
        (PROXY, &["203.0.113.1"], false),
        (PROXY, &["192.0.2.9, 203.0.113.1"], false),
        ("203.0.113.1", &["192.0.2.9"], false),
        // A proxy that checks itself, and a client that it does not name.
        (PROXY, &[], true),
        (PROXY, &["10.3.3.3"], true),
        (PROXY, &["unknown"], false),
        (PROXY, &["192.0.2.9, unknown"], false),
    ] {
        let request = || from(peer, &XFF, lines);
        let count = if exempt { 3 } else { 2 };
        let limit = RateLimitLayer::by_address(Quota::per_hour(2), ip.clone()).clock(&clock);
        assert_eq!(passed(&limit, 200, request).await, count, "{peer} {lines:?}");
        let budget = RateLimitLayer::failures(Quota::per_hour(2), ip.clone()).clock(&clock);
        assert_eq!(passed(&budget, 401, request).await, count, "{peer} {lines:?}");
    }
    let counted = RateLimitLayer::by_address(Quota::per_hour(2), ip).clock(&clock);
    let answer = counted.layer(ok()).oneshot(peer("192.0.2.9")).await.unwrap();
    assert!(!answer.headers().contains_key("x-ratelimit-limit"), "there is no limit to tell of");
}

#[tokio::test]
async fn p76_the_address_can_be_asked_for() {
    let (unknown, _) = get("/", &[]).into_parts();
    let error: Rejection = ClientIp::peer().resolve(&unknown).unwrap_err();
    assert_eq!(error.status(), 500);
    let cause = error.private_cause().unwrap().to_string();
    assert!(cause.contains("PeerAddr") && cause.contains("into_make_service_with_connect_info"), "{cause}");
}

#[test]
fn p76_a_header_that_nobody_trusted_writes_is_refused_when_built() {
    let ip = || ClientIp::peer().header(HeaderName::from_static("cf-connecting-ip"));
    for limit in
        [RateLimitLayer::by_address(Quota::per_hour(2), ip()), RateLimitLayer::failures(Quota::per_hour(2), ip())]
    {
        let error = AuthStack::builder().auth(FakeAuth::never()).limit(limit).build().unwrap_err().to_string();
        assert!(error.contains("cf-connecting-ip") && error.contains("ClientIp::behind"), "{error}");
    }
}
