//! The value itself, and its stored form.

use std::time::Duration;

use serde_json::{Value, json};
use tower_auth::{KeyRecord, Restrictions};

fn read(text: &str) -> Restrictions {
    Restrictions::from_json(text).unwrap()
}

fn unknown(text: &str) -> Vec<String> {
    read(text).unknown_members().map(str::to_owned).collect()
}

#[test]
fn networks_are_stored_as_they_are_compared() {
    let networks = ["10.1.2.3/8", " 192.0.2.7 ", "2001:DB8:0::1", "::ffff:198.51.100.0/120", "192.0.2.7/32"];
    let shown: Vec<_> = Restrictions::new().networks(networks).unwrap().allowed_networks().collect();
    assert_eq!(shown, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128", "198.51.100.0/24"]);
}

#[test]
fn networks_that_restrict_nothing_or_are_none_are_refused_with_a_reason() {
    for (networks, reason) in [
        (&["10.0.0.0/33"][..], "is not a network"),
        (&["example.com"], "is not a network"),
        (&["10.0.0.1:80"], "is not a network"),
        (&[""], "is not a network"),
        (&["192.0.2.0/24", "0.0.0.0/0"], "every address"),
        (&["0.0.0.0/1", "128.0.0.0/1"], "every address"),
        (&["::ffff:0.0.0.0/96"], "every address"),
        (&["::/0"], "write IPv4 networks as IPv4"),
        (&["::/1", "8000::/1"], "write IPv4 networks as IPv4"),
        (&[], "none"),
    ] {
        let error = Restrictions::new().networks(networks).unwrap_err().to_string();
        assert!(error.contains("Restrictions::networks") && error.contains(reason), "{networks:?}: {error}");
    }
    // Half of IPv4 is a wide network, and one that its owner may mean.
    assert!(Restrictions::new().networks(["128.0.0.0/1", "2000::/3"]).is_ok());
}

#[test]
fn fifty_of_each_are_allowed_and_repeated_ones_count_once() {
    let network = |place: usize| format!("10.0.{place}.0/24");
    let origin = |place: usize| format!("https://app{place}.example.com");
    for (count, allowed) in [(50, true), (51, false)] {
        assert_eq!(Restrictions::new().networks((0..count).map(network)).is_ok(), allowed, "{count}");
        assert_eq!(Restrictions::new().origins((0..count).map(origin)).is_ok(), allowed, "{count}");
    }
    let same = std::iter::repeat_n("HTTPS://app.example.com", 500);
    assert!(Restrictions::new().origins(same).unwrap().allowed_origins().eq(["https://app.example.com"]));
}

#[test]
fn no_restriction_is_empty() {
    let none = Restrictions::new();
    assert!(none.is_empty() && none == Restrictions::default() && none == read("{}") && none == read(" { } "));
    assert_eq!((none.to_json().as_str(), none.idle_limit()), ("{}", None));
    assert_eq!((none.allowed_networks().count(), none.allowed_origins().count()), (0, 0));
    assert_eq!(KeyRecord::new("k", "acme").current_restrictions(), &none);
    assert!(!read(r#"{"new":1}"#).is_empty());
    assert!(!Restrictions::new().idle_after(Duration::ZERO).is_empty());
}

#[test]
fn what_is_written_is_read_again() {
    let all = Restrictions::new()
        .origins(["https://app.example.com"])
        .unwrap()
        .idle_after(Duration::from_millis(2_592_000_999))
        .networks(["2001:db8::/32", "10.0.0.0/8"])
        .unwrap();
    let text = all.to_json();
    let shown: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({"networks": ["2001:db8::/32", "10.0.0.0/8"], "origins": ["https://app.example.com"], "idle_after": 2_592_000});
    assert_eq!(shown, expected);
    assert_eq!(read(&text), all);
    assert_eq!(read(&text).to_json(), text);
    let forever = Restrictions::new().idle_after(Duration::MAX);
    assert_eq!(read(&forever.to_json()).idle_limit(), Some(Duration::from_secs(u64::MAX)));
}

#[test]
fn unknown_members_are_kept_to_the_letter() {
    // Numbers that no f64 holds, an order that no map keeps, and a name that has to be escaped.
    let newer =
        r#"{"idle_after":60,"countries":{"z":[1.50,123456789012345678901234567890],"a":null},"quo\"te":"\u00e9"}"#;
    assert_eq!(unknown(newer), ["countries", "quo\"te"]);
    assert_eq!(read(newer).to_json(), newer);
    assert_eq!(read(&read(newer).to_json()), read(newer));
    // A change of another member keeps them too.
    let changed = read(newer).idle_after(Duration::from_secs(5)).to_json();
    assert_eq!(changed, newer.replace(":60", ":5"));
}

#[test]
fn known_members_with_an_unreadable_value_are_kept_and_unknown() {
    for (name, value) in [
        ("networks", "null"),
        ("networks", "[]"),
        ("networks", r#""10.0.0.0/8""#),
        ("networks", r#"["10.0.0.0/8","country:CH"]"#),
        ("networks", r#"["0.0.0.0/0"]"#),
        ("networks", "[7]"),
        ("origins", r#"["https://*.example.com"]"#),
        ("origins", r#"{"exactly":["https://app.example.com"]}"#),
        ("idle_after", "-1"),
        ("idle_after", "1.5"),
        ("idle_after", r#""30 days""#),
        ("idle_after", "18446744073709551616"),
        ("Networks", r#"["10.0.0.0/8"]"#),
    ] {
        let text = format!(r#"{{"{name}":{value}}}"#);
        assert_eq!(unknown(&text), [name], "{text}");
        assert_eq!(read(&text).to_json(), text);
    }
    // Who sets it anew has understood it.
    let again = read(r#"{"networks":["country:CH"]}"#).networks(["10.0.0.0/8"]).unwrap();
    assert_eq!(again.to_json(), r#"{"networks":["10.0.0.0/8"]}"#);
    assert_eq!(again, Restrictions::new().networks(["10.0.0.0/8"]).unwrap());
}

#[test]
fn what_is_no_object_is_an_error_that_does_not_show_it() {
    for text in ["", "null", "[]", "7", "\"secret\"", "{", "{\"secret\":}", "{} secret", "{\"secret\":1,}", "secret"] {
        let error = Restrictions::from_json(text).unwrap_err().to_string();
        assert!(error.contains("not a JSON object") && !error.contains("secret"), "{text}: {error}");
    }
}

#[test]
fn a_clone_is_the_same_and_a_change_leaves_it() {
    let one = Restrictions::new().networks(["10.0.0.0/8"]).unwrap();
    let other = one.clone().idle_after(Duration::from_secs(1));
    assert_eq!(one.idle_limit(), None);
    assert!(other.allowed_networks().eq(one.allowed_networks()));
    assert_ne!(one, other);
    let allocated = allocation_counter::measure(|| drop(std::hint::black_box(one.clone())));
    assert_eq!(allocated.count_total, 0);
}
