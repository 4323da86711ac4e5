//! The document in which GitHub publishes its keys.

use serde_json::Value;

use crate::token::{Algorithm, KeySet, VerifyingKey};

/// The maximum number of keys in the document. GitHub publishes two or three.
const MOST_KEYS: usize = 64;

/// Reads the current keys. Keys that GitHub no longer signs with (`is_current` is false) are left out, and keys that are
/// not on P-256 are skipped.
pub(super) fn read(document: &[u8]) -> Result<KeySet, String> {
    // The position alone is shown, because the document may be another one than it should be.
    let document: Value = serde_json::from_slice(document)
        .map_err(|error| format!("it is not JSON (line {}, column {})", error.line(), error.column()))?;
    let all = document.get("public_keys").and_then(Value::as_array).ok_or("it has no list `public_keys`")?;
    if all.len() > MOST_KEYS {
        return Err(format!("it has {} keys, and at most {MOST_KEYS} are read", all.len()));
    }
    let keys: Vec<VerifyingKey> = all.iter().enumerate().filter_map(|(place, key)| one(place, key)).collect();
    if keys.is_empty() {
        return Err(format!("none of its {} keys is a current key on P-256 with a key_identifier", all.len()));
    }
    Ok(keys.into_iter().collect())
}

fn one(place: usize, key: &Value) -> Option<VerifyingKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if key.get("is_current").and_then(Value::as_bool) == Some(false) {
        return None;
    }
    let read = text("key").map(|pem| VerifyingKey::from_pem(Algorithm::Es256, pem));
    match (text("key_identifier"), read) {
        (Some(identifier), Some(Ok(key))) => Some(key.id(identifier)),
        (_, read) => {
            let why = read.and_then(Result::err).map(|error| error.to_string());
            tracing::debug!(target: "tower_auth", place, why, "a key that GitHub publishes is skipped");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    const PEM: &str = include_str!("../../tests/fixtures/tokens/p256.pub.pem");
    const P384: &str = include_str!("../../tests/fixtures/tokens/p384.pub.pem");

    fn reads(document: &serde_json::Value) -> Result<usize, String> {
        read(document.to_string().as_bytes()).map(|set| set.len())
    }

    #[test]
    fn current_keys_are_read_and_others_skipped() {
        let keys = json!([
            { "key_identifier": "a", "key": PEM, "is_current": true },
            { "key_identifier": "b", "key": PEM, "is_current": false },
            { "key_identifier": "c", "key": PEM },
            { "key_identifier": "", "key": PEM, "is_current": true },
            { "key_identifier": "d", "key": P384, "is_current": true },
            { "key_identifier": "e", "is_current": true },
            "f",
        ]);
        let set = read(json!({ "public_keys": keys }).to_string().as_bytes()).unwrap();
        let known: Vec<&str> =
            ["a", "b", "c", "", "d", "e", "f"].into_iter().filter(|id| set.named(id).is_some()).collect();
        assert_eq!(known, ["a", "c"]);
    }

    #[test]
    fn a_document_without_a_current_key_is_refused() {
        let old = json!({ "key_identifier": "b", "key": PEM, "is_current": false });
        for (document, why) in [
            (json!({ "public_keys": [] }), "none of its 0 keys"),
            (json!({ "public_keys": [old] }), "none of its 1 keys"),
            (json!({ "public_keys": vec![json!({}); 65] }), "at most 64"),
            (json!({ "keys": [] }), "no list `public_keys`"),
        ] {
            let said = reads(&document).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert_eq!(read(b"<html>").unwrap_err(), "it is not JSON (line 1, column 1)");
    }
}
