//! A table of named tokens, each with the one answer that it must get.

mod algorithms;
mod claims;
mod forms;
mod headers;
mod json;
mod keys;
mod signatures;
mod times;

use std::{collections::HashSet, io::ErrorKind, net::TcpListener, sync::LazyLock, time::Duration};

use http::{HeaderValue, Request};
use tower_auth::{
    BearerLayer, Clock, TokenVerifier,
    token::{ClaimSource, Claims, KeySet, TokenError, TokenVerifierBuilder},
};

use super::{
    INVALID, NOW, Published, Told, ask, hand, judged, lenient,
    mint::{AUDIENCE, ISSUER, KIDS, Key, Object, claims, jwks, key},
    stack_of, strict,
};
use crate::support::Body;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Invalid,
    Expired,
}

use Verdict::{Accepted, Expired, Invalid};

/// One token, for a verifier with the settings of the example server at the table's time.
pub(super) struct Case {
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) token: Vec<u8>,
    pub(super) verdict: Verdict,
}

pub(super) struct Table {
    pub(super) now: u64,
    /// How many seconds may pass between the making of the table and the last answer.
    slack: u64,
    pub(super) cases: Vec<Case>,
    /// Where `jku` and `x5u` point: a connection means that they were followed.
    listener: TcpListener,
}

impl Table {
    pub(super) fn new(now: u64, slack: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut table = Self { now, slack, cases: Vec::new(), listener };
        // The times first: with a clock that runs, they are the ones that do not keep.
        times::add(&mut table);
        algorithms::add(&mut table);
        keys::add(&mut table);
        headers::add(&mut table);
        forms::add(&mut table);
        json::add(&mut table);
        claims::add(&mut table);
        signatures::add(&mut table);
        table
    }

    fn add(&mut self, group: &'static str, name: impl Into<String>, token: impl Into<Vec<u8>>, verdict: Verdict) {
        self.cases.push(Case { group, name: name.into(), token: token.into(), verdict });
    }

    /// A token of a good RS256 key with this header and good claims.
    fn header(&mut self, group: &'static str, name: impl Into<String>, header: impl AsRef<[u8]>, verdict: Verdict) {
        let token = rs256().seal(header, self.claims());
        self.add(group, name, token, verdict);
    }

    /// A token of a good RS256 key with a good header and these claims.
    fn claim(&mut self, group: &'static str, name: impl Into<String>, claims: impl AsRef<[u8]>, verdict: Verdict) {
        let token = rs256().seal(rs256().header(), claims);
        self.add(group, name, token, verdict);
    }

    fn claims(&self) -> Object {
        claims(self.now)
    }

    /// Whether nobody has followed an address in a header.
    pub(super) fn assert_nobody_called(&self) {
        let called = self.listener.accept().map(|(_, from)| from).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock), "somebody fetched a key that a token named");
    }
}

fn rs256() -> &'static Key {
    key("rs256")
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(NOW, 0));

/// The tokens at [`NOW`] that no verifier accepts, if they are text.
pub(super) fn refused() -> impl Iterator<Item = &'static str> {
    let bad = TABLE.cases.iter().filter(|case| case.verdict != Accepted);
    bad.filter_map(|case| str::from_utf8(&case.token).ok())
}

/// The table at [`NOW`].
pub(super) fn table() -> &'static Table {
    &TABLE
}

fn verdict(told: &Told, name: &str) -> Verdict {
    match told.short() {
        (200, "") => told.assert_accepted(),
        (401, "TOKEN_EXPIRED") => told.assert_expired(),
        _ => {
            told.assert_invalid();
            assert_eq!(INVALID.matches("error=\"invalid_token\"").count(), 1, "{name}");
        }
    }
    match &*told.code {
        "" => Accepted,
        "TOKEN_EXPIRED" => Expired,
        _ => Invalid,
    }
}

/// A request with this token, if it can stand in a header at all.
fn request(token: &[u8]) -> Option<Request<Body>> {
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    Some(Request::get("/").header("authorization", value).body(Body::default()).unwrap())
}

/// Asks a layer about every token, and panics with all that are answered otherwise than they must.
async fn hold(layer: BearerLayer, cases: impl Iterator<Item = &Case>, asked: usize) -> usize {
    let stack = stack_of(layer);
    let (mut wrong, mut held) = (Vec::new(), 0);
    for case in cases {
        for time in 0..asked {
            let Some(request) = request(&case.token) else { continue };
            let told = ask(&stack, request).await;
            let got = verdict(&told, &case.name);
            if got == case.verdict {
                held += 1;
            } else {
                wrong.push(complaint(case, &format!("{got:?} at call {time}"), told.cause.as_deref()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    held
}

pub(super) fn complaint(case: &Case, got: &str, why: Option<&str>) -> String {
    let Case { group, name, token, verdict } = case;
    let token = String::from_utf8_lossy(token);
    let token = if token.len() > 1500 { format!("a token of {} bytes", token.len()) } else { token.into_owned() };
    format!("{group}: {name}: {got} and not {verdict:?} ({why:?}): {token}")
}

fn as_freddy() -> TokenVerifier {
    lenient(strict()).build().unwrap()
}

/// Holds the part of the table that these groups are, and makes sure that it is there.
pub(super) async fn group(names: &[&str], at_least: usize) {
    let cases = TABLE.cases.iter().filter(|case| names.contains(&case.group));
    let held = hold(BearerLayer::new(as_freddy()), cases, 1).await;
    assert!(held >= at_least, "{names:?}: only {held}");
    TABLE.assert_nobody_called();
}

#[test]
fn every_case_has_a_name_of_its_own_and_there_are_many() {
    let names: HashSet<(&str, &str)> = TABLE.cases.iter().map(|case| (case.group, &*case.name)).collect();
    assert_eq!(names.len(), TABLE.cases.len());
    let count = |verdict| TABLE.cases.iter().filter(|case| case.verdict == verdict).count();
    let counts = [Accepted, Invalid, Expired].map(count);
    assert!(TABLE.cases.len() >= 600 && counts.iter().all(|count| *count > 10), "{counts:?}");
    eprintln!("{} named tokens: {counts:?} accepted, invalid, expired", TABLE.cases.len());
    // No two that must be answered differently are the same bytes.
    for case in &TABLE.cases {
        let twins = TABLE.cases.iter().filter(|other| other.token == case.token);
        assert!(twins.into_iter().all(|other| other.verdict == case.verdict), "{}", case.name);
    }
}

#[tokio::test]
async fn every_token_gets_its_answer() {
    hold(BearerLayer::new(as_freddy()), TABLE.cases.iter(), 1).await;
    TABLE.assert_nobody_called();
}

/// A verified token is remembered, and nothing else: whatever is asked again is answered the same.
#[tokio::test]
async fn every_token_gets_its_answer_again_from_a_cache() {
    let cached = lenient(strict()).cache(1024).build().unwrap();
    hold(BearerLayer::new(cached), TABLE.cases.iter(), 3).await;
}

/// The issuer that a token names chooses the verifier, and changes nothing else.
#[tokio::test]
async fn every_token_gets_its_answer_beside_another_issuer() {
    let keys = KeySet::from_json(jwks(&["es384"]).as_bytes()).unwrap();
    let other = TokenVerifier::key_set("https://other.test/", keys).audience(AUDIENCE).build().unwrap();
    hold(BearerLayer::new(other.clone()).or(as_freddy()), TABLE.cases.iter(), 1).await;
    hold(BearerLayer::new(as_freddy()).or(other), TABLE.cases.iter(), 1).await;
}

/// Also those that no header can carry, by the verifier itself.
#[tokio::test]
async fn every_text_gets_its_answer_without_a_request() {
    let (verifier, clock) = (as_freddy(), Clock::from(&hand()));
    let mut without_header = 0;
    for case in &TABLE.cases {
        let Ok(text) = str::from_utf8(&case.token) else { continue };
        let got = match verifier.verify(text, &clock).await {
            Ok(_) => Accepted,
            Err(TokenError::Expired) => Expired,
            Err(TokenError::Unavailable(why)) => panic!("{}: {why}", case.name),
            Err(_) => Invalid,
        };
        assert_eq!(got, case.verdict, "{}", complaint(case, "", None));
        without_header += usize::from(request(&case.token).is_none());
    }
    assert!(without_header > 3, "line breaks are among them");
}

#[tokio::test]
async fn every_token_gets_the_same_answer_from_keys_that_are_fetched() {
    let public = jwks(&KIDS[3..]);
    let fixed = TokenVerifier::key_set(ISSUER, KeySet::from_json(public.as_bytes()).unwrap());
    let fetched = TokenVerifier::source(ISSUER, Published(jwks(&KIDS)));
    let [fixed, fetched] = [fixed, fetched].map(|builder| lenient(builder.audience(AUDIENCE)).build().unwrap());
    let clock = Clock::from(&hand());
    let mut accepted = 0;
    for case in &TABLE.cases {
        let Ok(text) = str::from_utf8(&case.token) else { continue };
        let (one, other) = (fixed.verify(text, &clock).await, fetched.verify(text, &clock).await);
        let told = |result: Result<_, TokenError>| result.map(|_| ()).map_err(|error| error.to_string());
        accepted += usize::from(one.is_ok());
        assert_eq!(told(one), told(other), "{}", case.name);
    }
    assert!(accepted > 20, "{accepted}");
}

/// What the loosest settings refuse, the strictest refuse too.
#[tokio::test]
async fn stricter_settings_accept_nothing_more() {
    // The same claims are read, with everything else as strict as it can be.
    let builder = lenient(strict()).typ(["at+jwt"]).leeway(Duration::ZERO).rfc9068();
    let (strict, clock) = (builder.build().unwrap(), Clock::from(&hand()));
    for case in TABLE.cases.iter().filter(|case| case.verdict != Accepted) {
        let Ok(text) = str::from_utf8(&case.token) else { continue };
        assert!(strict.verify(text, &clock).await.is_err(), "{}", case.name);
    }
}

/// A minute's leeway is for the clocks alone: the same tokens, an hour later, are over, and none is good again.
#[tokio::test]
async fn every_token_that_was_good_expires() {
    let (verifier, later) = (lenient(strict()).cache(1024).build().unwrap(), hand());
    let clock = Clock::from(&later);
    let mut expired = 0;
    let good: Vec<&str> = TABLE
        .cases
        .iter()
        .filter(|case| case.verdict == Accepted && case.group != "times" && case.group != "dates")
        .map(|case| str::from_utf8(&case.token).unwrap())
        .collect();
    for token in &good {
        assert!(verifier.verify(token, &clock).await.is_ok());
    }
    later.advance(Duration::from_secs(3600 + 60));
    for token in &good {
        let refused = verifier.verify(token, &clock).await.unwrap_err();
        assert!(matches!(refused, TokenError::Expired), "{refused:?}");
        expired += 1;
    }
    assert!(expired > 40, "{expired}");
}

/// The forge is no good if it cannot make a good token.
#[tokio::test]
async fn every_key_makes_good_tokens() {
    for kid in KIDS {
        assert!(judged(strict().rfc9068(), &key(kid).token(NOW)).await.is_ok(), "{kid}");
    }
}

/// Claims that are read from memory, because a setting looks inside of them, are those that are read while the text is.
#[tokio::test]
async fn every_token_gets_the_same_answer_if_a_setting_looks_inside_its_claims() {
    let inside = ["iss", "sub", "jti", "sid", "client_id", "acr", "auth_time", "scope", "account", "plan"];
    let within = |mut builder: TokenVerifierBuilder| {
        for (place, claim) in inside.into_iter().enumerate() {
            let nothing = ClaimSource::path([claim, "nothing"]);
            builder = match place % 3 {
                0 => builder.roles_from(nothing),
                1 => builder.scopes_from(nothing),
                _ => builder.organizations_from(nothing),
            };
        }
        builder.roles_from("/organizations/nothing").organizations_from("/roles/nothing")
    };
    let plain = lenient(strict()).scopes_from("scope").build().unwrap();
    let whole = within(lenient(strict()).scopes_from("scope")).build().unwrap();
    let clock = Clock::from(&hand());
    let mut accepted = 0;
    for case in &TABLE.cases {
        let Ok(text) = str::from_utf8(&case.token) else { continue };
        let (one, other) = (plain.verify(text, &clock).await, whole.verify(text, &clock).await);
        match (one, other) {
            (Ok(one), Ok(other)) => {
                accepted += 1;
                let told = |claims: &Claims| {
                    let who = claims.principal();
                    let ids = [claims.session_id(), claims.client_id(), who.credential_id(), who.account(), who.plan()];
                    let lists = [who.scopes(), who.roles(), who.organizations()].map(<[String]>::to_vec);
                    let ids = ids.map(|id| id.map(str::to_owned));
                    (who.subject().to_owned(), ids, lists, who.acr().map(str::to_owned), who.logged_in_at())
                };
                assert_eq!(told(&one), told(&other), "{}", case.name);
            }
            (Err(_), Err(_)) => assert_ne!(case.verdict, Accepted, "{}", case.name),
            (one, other) => panic!("{}: {one:?} {other:?}", case.name),
        }
    }
    assert!(accepted > 40, "{accepted}");
}

/// Settings that loosen what one claim may be accept no hostile token.
#[tokio::test]
async fn named_choices_accept_nothing_more() {
    let settings = |builder: TokenVerifierBuilder| {
        builder
            .client("client_id", ["nobody"])
            .audience_or_client()
            .subject_from("sub")
            .subject_from(ClaimSource::new("common_name").prefix("service:"))
            .scopes_from("scope")
            .scopes_from(ClaimSource::new("permissions").ignore_other_types())
            .roles_from(ClaimSource::new("groups").member_names().ignore_other_types())
            .forbid_claim("sts", ["pending"])
            .max_age(Duration::from_secs(u64::from(u32::MAX)))
    };
    let (verifier, clock) = (settings(lenient(strict())).build().unwrap(), Clock::from(&hand()));
    let mut refused = 0;
    for case in TABLE.cases.iter().filter(|case| case.verdict != Accepted) {
        let Ok(text) = str::from_utf8(&case.token) else { continue };
        assert!(verifier.verify(text, &clock).await.is_err(), "{}", case.name);
        refused += 1;
    }
    assert!(refused > 500, "{refused}");
    for kid in KIDS {
        assert!(verifier.verify(&key(kid).token(NOW), &clock).await.is_ok(), "{kid}");
    }
}
