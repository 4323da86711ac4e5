//! Keys that name their environment.

use tower_auth::{ConfigError, KeyFormat, KeyScheme};

fn sk() -> KeyFormat {
    KeyFormat::prefixed("sk", 32).unwrap().environments(["live", "test"]).unwrap()
}

#[test]
fn r082_a_key_is_minted_in_the_environment_that_was_asked_for() {
    let scheme = KeyScheme::ephemeral(sk());
    let minted = [scheme.generate(), scheme.generate_in("live"), scheme.generate_in("test")].map(Result::unwrap);
    for (key, environment) in minted.iter().zip(["live", "live", "test"]) {
        let (key, end) = (key.expose(), &key.expose()[key.expose().len() - 4..]);
        assert_eq!(key.len(), "sk_live_".len() + 32 + 6);
        assert!(key.starts_with(&format!("sk_{environment}_")) && scheme.digests(key.as_bytes()).is_some());
        assert_eq!(scheme.format().environment_of(key.as_bytes()), Some(environment));
        assert_eq!(scheme.format().hint(key), format!("sk_{environment}_…{end}"));
        let leading = scheme.format().clone().leading_hint();
        assert_eq!(leading.hint(key), format!("sk_{environment}_{}…", &key[8..12]));
    }
}

#[test]
fn r079_the_checksum_covers_the_environment() {
    let key = KeyScheme::ephemeral(sk()).generate().unwrap().expose().to_owned();
    let moved = key.replace("_live_", "_test_");
    assert!(!sk().accepts(moved.as_bytes()));
    assert_eq!(sk().environment_of(moved.as_bytes()), None);
    assert_eq!(sk().without_checksum().environment_of(&moved.as_bytes()[..40]), Some("test"));
    assert_eq!(sk().accept_unchecked().environment_of(&moved.as_bytes()[..40]), Some("test"));
}

#[test]
fn r079_a_key_without_a_known_environment_is_not_of_the_format() {
    let format = sk().without_checksum();
    let random = "a".repeat(32);
    for wrong in ["", "sk_", "sk_live", "sk__", "sk_prod_", "sk_LIVE_", "sk_livetest_", "live_", "sk_live__"] {
        let key = format!("{wrong}{random}");
        assert!(!format.accepts(key.as_bytes()), "{key}");
        assert_eq!(format.environment_of(key.as_bytes()), None, "{key}");
    }
    assert!(format.accepts(format!("sk_live_{random}").as_bytes()));
    assert_eq!(format.hint(&format!("sk_prod_{random}")), "sk_…aaaa");
    let none = KeyFormat::prefixed("sk", 32).unwrap().without_checksum();
    assert!(none.accepts(format!("sk_{random}").as_bytes()));
    assert_eq!(none.environment_of(format!("sk_{random}").as_bytes()), None);
}

/// One name may begin like another.
#[test]
fn r079_environments_are_compared_as_whole_words() {
    let format = KeyFormat::prefixed("sk", 32).unwrap().environments(["test", "test2", "te"]).unwrap();
    let scheme = KeyScheme::ephemeral(format.clone());
    for environment in ["test", "test2", "te"] {
        let key = scheme.generate_in(environment).unwrap();
        assert_eq!(format.environment_of(key.expose().as_bytes()), Some(environment));
    }
}

#[test]
fn r082_environments_that_cannot_stand_in_a_key_are_refused() {
    let said = |error: Result<KeyFormat, ConfigError>| error.unwrap_err().to_string();
    assert!(said(sk().environments([""; 0])).contains("empty"));
    assert!(said(sk().environments(["live", "live"])).contains("twice"));
    for name in ["", "a_b", "a-b", "ü", "a b"] {
        assert!(said(sk().environments(["live", name])).contains(&format!("{name:?}")));
    }
    assert!(said(KeyFormat::opaque(20).environments(["live"])).contains("opaque"));
    let longest = KeyFormat::prefixed("ak", 498).unwrap();
    assert!(longest.clone().environments(["live"]).is_ok());
    assert!(said(longest.environments(["live", "other"])).contains("512"));
    let scheme = KeyScheme::ephemeral(sk());
    assert!(scheme.generate_in("prod").unwrap_err().to_string().contains("use one of live, test"));
    let none = KeyScheme::ephemeral(crate::support::ak()).generate_in("live").unwrap_err();
    assert!(none.to_string().contains("KeyFormat::environments"), "{none}");
}
