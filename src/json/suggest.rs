//! The documented name that was probably meant.

/// The name that is nearest to what was given, if any is near.
///
/// Near is the same word in another spelling (`emailAddress`), one with few typing errors in it, or one that the other
/// starts with (`email_adress` and `email`).
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = plain(given);
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let ranked = known.into_iter().filter_map(|name| Some((rank(&given, &plain(name))?, name)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name)
}

/// Nobody means a documented name by more than this.
const LONGEST: usize = 64;

/// Letters and digits alone, in lower case.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(LONGEST + 1).collect()
}

/// How far two names are apart; nothing where they are no neighbours.
fn rank(given: &[char], name: &[char]) -> Option<usize> {
    let (short, long) = if given.len() < name.len() { (given, name) } else { (name, given) };
    let typing_errors = distance(given, name);
    // One error in a word of three characters, two in one of six.
    if typing_errors * 3 <= long.len() {
        return Some(typing_errors);
    }
    (short.len() >= 3 && long.starts_with(short)).then_some(long.len())
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        let far = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("kitten", "sitting", 3),
            ("emial", "email", 1),
            ("abc", "ca", 3),
        ] {
            assert_eq!(far(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_neighbour_is_suggested_and_a_stranger_is_not() {
        let known = ["email", "password", "organization_id", "id"];
        for (given, expected) in [
            ("email_adress", Some("email")),
            ("Email", Some("email")),
            ("emial", Some("email")),
            ("organizationId", Some("organization_id")),
            ("organisation_id", Some("organization_id")),
            ("pasword", Some("password")),
            ("passwort", Some("password")),
            ("pass", Some("password")),
            ("ids", Some("id")),
            ("admin", None),
            ("x", None),
            ("", None),
            ("__proto__", None),
        ] {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
        assert_eq!(nearest(&"e".repeat(1 << 20), known), None);
    }
}
