//! The documented name that was probably meant.

use std::fmt;

/// Documented names, prepared for comparison with a given name.
pub(super) struct Known<'a>(Vec<(&'a str, Vec<char>)>);

/// Longer names get no suggestion.
const LONGEST: usize = 40;

impl<'a> Known<'a> {
    pub(super) fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(|name| (name, plain(name))).collect())
    }

    /// Returns the documented name that is most similar to the given one, if any is similar.
    ///
    /// Similar means: the same word in another spelling (`emailAddress`), a few typing errors, or one name is a prefix
    /// of the other (`email_adress` and `email`).
    pub(super) fn nearest(&self, given: &str) -> Option<&'a str> {
        let given = plain(given);
        if given.is_empty() || given.len() > LONGEST {
            return None;
        }
        let ranked = self.0.iter().filter_map(|(name, plain)| Some((rank(&given, plain)?, *name)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name)
    }
}

/// Lists the first few names, joined by "or".
impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (place, (name, _)) in self.0.iter().take(SHOWN).enumerate() {
            let start = if place == 0 { "" } else { " or " };
            write!(f, "{start}{name:?}")?;
        }
        if self.0.len() > SHOWN { f.write_str(" or another of the documented values") } else { Ok(()) }
    }
}

/// Returns only the letters and digits, in lower case.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(LONGEST + 1).collect()
}

/// Returns the distance of two names, or `None` if they are not similar.
fn rank(given: &[char], name: &[char]) -> Option<usize> {
    let (short, long) = if given.len() < name.len() { (given, name) } else { (name, given) };
    // One error in a word of three characters, two in one of six.
    let most = long.len() / 3;
    // These are lower bounds of the distance. Names that exceed them are not compared letter by letter.
    if long.len() - short.len() <= most && difference(short, long) <= 2 * most {
        let typing_errors = distance(given, name);
        if typing_errors <= most {
            return Some(typing_errors);
        }
    }
    (short.len() >= 3 && long.starts_with(short)).then_some(long.len())
}

/// Returns how many letters occur in only one of two names. Each typing error accounts for at most two.
fn difference(a: &[char], b: &[char]) -> usize {
    let mut balance = [0_i32; 32];
    let place = |letter: &char| *letter as usize % 32;
    for letter in a {
        balance[place(letter)] += 1;
    }
    for letter in b {
        balance[place(letter)] -= 1;
    }
    balance.iter().map(|count| count.unsigned_abs() as usize).sum()
}

/// Returns the number of insertions, deletions, substitutions and swaps of adjacent letters (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row: Vec<usize> = vec![0; b.len() + 1];
    for (i, x) in a.iter().enumerate() {
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row[j + 1] = cost;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{Known, distance};

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
            ("abcdef", "badcfe", 3),
        ] {
            assert_eq!(far(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_neighbour_is_suggested_and_a_stranger_is_not() {
        let known = Known::new(["email", "password", "organization_id", "id"]);
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
            assert_eq!(known.nearest(given), expected, "{given}");
        }
        assert_eq!(known.nearest(&"e".repeat(1 << 20)), None);
    }
}
