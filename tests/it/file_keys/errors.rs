//! What an error says: where, what, and never a digest or a key.

use std::fmt::Write as _;

use tower_auth::FileKeyStore;

use super::{Folder, ONE, TWO, digest, scheme, table};
use crate::no_leak::Logs;

const PLAN: &str = "[plans.standard]\nlimits = [{ events = 5, period = \"1m\" }]\n";

fn said(text: &str) -> String {
    let folder = Folder::with(text);
    let error = FileKeyStore::open(folder.file()).unwrap_err().to_string();
    assert!(error.contains(folder.file().to_str().unwrap()), "{error}");
    assert!(error.contains("; help: "), "{error}");
    error
}

#[test]
fn an_error_names_line_and_column() {
    let key = |lines: &str| table("ci", ONE, lines);
    let fallback = |text: &str| format!("fallback_plan = \"standard\"\n{text}");
    for (text, place, why) in [
        ("a = ".to_owned(), "line 1, column", ""),
        ("\n  [keys\n".to_owned(), "line 2, column", ""),
        (key("scope = [\"read\"]"), "line 4, column 1", "unknown field `scope`"),
        (key("scopes = \"read\""), "line 4, column 10", "expected a sequence"),
        (key("active = 1"), "line 4, column 10", "expected a boolean"),
        (key("idle_after = \"30d\""), "line 4, column 1", "unknown field `idle_after`"),
        (key("scopes = []\nscopes = []"), "line 5, column 1", "duplicate key"),
        (key("expires_at = 2027-01-01"), "line 4, column 14", "with an offset"),
        (key("expires_at = 2027-01-01T00:00:00"), "line 4, column 14", "with an offset"),
        (key("expires_at = \"soon\""), "line 4, column 14", "with an offset"),
        (key("expires_at = 7"), "line 4, column 14", "a time such as"),
        (key("networks = [\"10.0.0.0/40\"]"), "line 4, column 12", "not a network"),
        (key("networks = []"), "line 4, column 12", "networks"),
        (key("origins = [\"https://a.example/path\"]"), "line 4, column 11", "has a path"),
        (key("limits = [{ events = 0, period = \"1m\" }]"), "line 4, column 10", "admits no request"),
        (key("limits = []"), "line 4, column 10", "0 quotas"),
        (key("limits = [{ events = -1, period = \"1m\" }]"), "line 4, column 22", "expected u32"),
        (key("limits = [{ events = 5, period = \"1 minute\" }]"), "line 4, column 34", "the period"),
        (key("limits = [{ events = 5, period = \"99999999999999999999s\" }]"), "line 4, column 34", "the period"),
        (key("limits = [{ events = 5, period = \"1m\", bursts = 6 }]"), "line 4, column 40", "unknown field `bursts`"),
        (key("limits = [{ events = 5 }]"), "line 4, column 10", "needs a period"),
        (key("limits = [{ events = 5, calendar = \"day\", period = \"1d\" }]"), "line 4, column 10", "not both"),
        (key("limits = [{ events = 5, calendar = \"week\" }]"), "line 4, column 36", "`day` or `month`"),
        (key("limits = [{ events = 5, calendar = \"day\", burst = 9 }]"), "line 4, column 10", "has no burst"),
        (key("limits = [{ events = 5, period = \"1d\", time_zone = \"UTC\" }]"), "line 4, column 10", "time_zone"),
        (
            key("limits = [{ events = 5, calendar = \"day\", time_zone = \"Mars/Crater\" }]"),
            "line 4, column 10",
            "\"Mars/Crater\" of a quota is unknown",
        ),
        (key("subject = \" \""), "line 1, column 7", "the subject of the key \"ci\" is empty"),
        (table("\"\"", ONE, ""), "line 1, column 7", "the id of the key \"\" is empty"),
        (
            format!("[keys.ci]\ndigest = \"{}\"\n", digest(&scheme(), ONE)),
            "line 1, column 1",
            "missing field `account`",
        ),
        ("[keys.ci]\naccount = \"acme\"\n".to_owned(), "line 1, column 1", "missing field `digest`"),
        (key("") + &key(""), "line 5, column 7", "duplicate key"),
        (key("") + &table("cd", ONE, ""), "line 2, column 10", "the keys \"cd\" and \"ci\" have the same digest"),
        (PLAN.to_owned(), "line 1, column 8", "no fallback_plan"),
        ("fallback_plan = \"standard\"".to_owned(), "line 1, column 17", "no plan \"standard\""),
        ("fallback_plan = \"standart\"\n".to_owned() + PLAN, "line 1, column 17", "no plan \"standart\""),
        (fallback(PLAN) + &key("plan = \"standart\""), "line 7, column 8", "no plan \"standart\""),
        (fallback("[plans.standard]\n"), "line 2, column 1", "missing field `limits`"),
        (fallback("[plans.standard]\nlimits = []\n"), "line 3, column 10", "0 quotas"),
        (fallback(PLAN) + "[[plans.standard.special]]\nlimits = []\n", "line 4, column 1", "a class, a method"),
        (fallback(PLAN) + "special = [{ class = \"a\", limits = [] }]\n", "line 4, column 36", "0 quotas"),
        (
            fallback("[plans.\"a\\nb\"]\nlimits = [{ events = 1, period = \"1m\", name = \"é\" }]"),
            "line 3, column 10",
            "header",
        ),
        ("# é\nä = 1\n".to_owned(), "line 2, column 1", ""),
        (key("é = 1"), "line 4, column 1", ""),
        (key("name = \"é\"; x = 1"), "line 4, column 11", ""),
    ] {
        let error = said(&text);
        assert!(error.contains(place) && error.contains(why), "{text}\n{error}");
    }
}

#[test]
fn a_special_plan_that_is_given_twice_is_an_error() {
    let special = "[[plans.standard.special]]\nclass = \"a\"\nlimits = [{ events = 5, period = \"1m\" }]\n";
    let error = said(&format!("fallback_plan = \"standard\"\n{PLAN}{special}{special}"));
    assert!(error.contains("line 2, column 8") && error.contains("given twice"), "{error}");
}

/// A secret in every place where somebody may paste it.
#[test]
fn nothing_that_fails_shows_a_digest_or_a_key() {
    let logs = Logs::capture();
    let digest = digest(&scheme(), TWO);
    let cut = &digest[..63];
    let mut texts = Vec::new();
    for secret in [digest.as_str(), cut, "ak_Zq7Xw9Vk3Jp5Gy8Qj2Wz4Kx6Vb1Nq0Pf7Jg9Hx3Qzv"] {
        for line in [
            "digest = \"SECRET",
            "digest = \"SECRET\"x",
            "digest = SECRET",
            "digest = [\"SECRET\"]",
            "SECRET",
            "SECRET = 1",
            "scopes = \"SECRET\"",
            "active = \"SECRET\"",
            "pepper = \"SECRET\"",
            "expires_at = \"SECRET\"",
            "plan = [\"SECRET\"]",
            "limits = \"SECRET\"",
            "limits = [\"SECRET\"]",
            "limits = [{ events = \"SECRET\", period = \"1m\" }]",
            "limits = [{ events = 1, period = \"SECRET\" }]",
            "metadata = SECRET",
            "name = \"SECRET",
            "x.SECRET.y = 1",
            "digest = \"\"\"SECRET",
            "digest = 'SECRET",
            "\"SECRET\" = \"SECRET\"",
            "active = \"a\\\", expected SECRET\"",
            "networks = [\"SECRET\"]",
            "origins = [\"SECRET\"]",
            "origins = [\"https://SECRET/x\"]",
            "limits = [{ events = 1, period = \"1m\", name = \"SECRET\" }, { events = 1, period = \"1h\", name = \"SECRET\" }]",
            "[keys.SECRET",
            "[keys.SECRET]\nSECRET = 1",
            "[keys]\nSECRET = \"SECRET\"",
        ] {
            texts.push(table("ci", ONE, &line.replace("SECRET", secret)));
        }
        texts.push(format!("[keys.ci]\ndigest = \"{cut}\"\naccount = \"a\"\n"));
        texts.push(format!("[keys.ci]\ndigest = \"{secret}é\"\naccount = \"a\"\n"));
        texts.push(format!("[keys.{secret}]\ndigest = \"{digest}\"\naccount = \"\"\n"));
        texts.push(format!("fallback_plan = \"{secret}\"\n"));
    }
    texts.push(table("a", TWO, "") + &table("b", TWO, ""));
    let folder = Folder::with(&table("ci", ONE, ""));
    let keys = folder.open();
    let mut shown = String::new();
    for text in &texts {
        shown += &(said(text) + "\n");
        folder.write(text);
        shown += &(keys.reload().unwrap_err().to_string() + "\n");
        writeln!(shown, "{:?}\n{keys:?}", keys.health()).unwrap();
    }
    shown += &logs.text();
    for secret in [digest.as_str(), &super::digest(&scheme(), ONE), "Zq7Xw9Vk3Jp5Gy8Qj2Wz4Kx6Vb1Nq0Pf7Jg9Hx3Qzv"] {
        for at in 0..=secret.len() - 12 {
            let part = &secret[at..at + 12];
            let line = shown.lines().find(|line| line.contains(part));
            assert!(line.is_none(), "{part} came out: {}", line.unwrap_or_default());
        }
    }
    assert!(shown.contains("the key file"), "something was shown");
}
