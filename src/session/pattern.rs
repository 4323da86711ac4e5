//! Patterns of claims.

use serde_json::Value;

/// Text in which `*` stands for any characters but `/` and `:`, and `**` for any characters.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) const fn new(pattern: String) -> Self {
        Self(pattern)
    }

    /// Returns whether a claim matches: a text, a number, a boolean, or one element of a list of these.
    pub(super) fn matches_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.matches(text),
            Value::Number(_) | Value::Bool(_) => self.matches(&value.to_string()),
            Value::Array(all) => all.iter().any(|one| !one.is_array() && self.matches_value(one)),
            Value::Null | Value::Object(_) => false,
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }
}

/// Matches from left to right. After a mismatch, the last star takes one character more; only if it may not take that
/// one, the last double star before it does. Both together take time in proportion to the product of the lengths at
/// most.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let (mut single, mut double) = (None, None);
    while place < text.len() || at < pattern.len() {
        if pattern[at..].starts_with(b"**") {
            (double, single) = (Some((at, place)), None);
            at += 2;
        } else if pattern.get(at) == Some(&b'*') {
            single = Some((at, place));
            at += 1;
        } else if place < text.len() && pattern.get(at) == Some(&text[place]) {
            (at, place) = (at + 1, place + 1);
        } else if let Some((star, from)) =
            single.filter(|(_, from)| text.get(*from).is_some_and(|c| !b"/:".contains(c)))
        {
            single = Some((star, from + 1));
            (at, place) = (star + 1, from + 1);
        } else if let Some((star, from)) = double.filter(|(_, from)| *from < text.len()) {
            (double, single) = (Some((star, from + 1)), None);
            (at, place) = (star + 2, from + 1);
        } else {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_stay_within_a_part_and_double_stars_do_not() {
        for (pattern, text, is_match) in [
            ("", "", true),
            ("", "a", false),
            ("acme/shop", "acme/shop", true),
            ("acme/shop", "acme/shop2", false),
            ("acme/shop", "ACME/shop", false),
            ("acme/*", "acme/shop", true),
            ("acme/*", "acme/", true),
            ("acme/*", "acme/shop/x", false),
            ("acme/*", "acmex/shop", false),
            ("*/shop", "acme/shop", true),
            ("*", "a:b", false),
            ("**", "a:b/c", true),
            ("repo:acme/*:ref:refs/heads/**", "repo:acme/shop:ref:refs/heads/feature/x", true),
            ("repo:acme/*:ref:refs/heads/*", "repo:acme/shop:ref:refs/heads/feature/x", false),
            ("repo:acme/*:environment:prod", "repo:acme/evil:x:environment:prod", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-c-d", false),
            ("**:prod", "repo:x:prod", true),
            ("**:prod", "repo:x:prod:y", false),
            ("**/*.rs", "a/b/c.rs", true),
            ("**/*.rs", "a/b/c.rs/d", false),
            ("*é*", "caféine", true),
        ] {
            assert_eq!(Pattern::new(pattern.to_owned()).matches(text), is_match, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn values_match_by_their_kind() {
        let one = Pattern::new("1".to_owned());
        assert!(one.matches_value(&json!(1)) && one.matches_value(&json!("1")) && one.matches_value(&json!(["2", 1])));
        let all = Pattern::new("**".to_owned());
        assert!(
            !all.matches_value(&json!(null)) && !all.matches_value(&json!({})) && !all.matches_value(&json!([["a"]]))
        );
        assert!(!all.matches_value(&json!([])));
    }

    #[test]
    fn a_hostile_pattern_takes_no_long_time() {
        let pattern = Pattern::new("**a*".repeat(200) + "b");
        assert!(!pattern.matches(&"a".repeat(5_000)));
    }
}
