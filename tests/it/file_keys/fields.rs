//! What a file can say of a key, and what a request with the key then meets.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, FileKeyStore, KeyFormat, KeyRecord, KeyScheme, KeyState, KeyStatus,
    KeyStore as _, PeerAddr, Quota, Rejection, Restrictions, limit::Limits,
};

use super::{Folder, ONE, TWO, digest, find, knows, scheme, table};
use crate::support::{Body, get, ok};

/// Seconds between 1970 and 2027.
const YEAR_2027: Duration = Duration::from_secs(1_798_761_600);

async fn record(lines: &str) -> KeyRecord {
    find(&Folder::with(&table("ci", ONE, lines)).open(), ONE).await.unwrap()
}

fn plain() -> KeyRecord {
    KeyRecord::new("ci", "acme")
}

#[tokio::test]
async fn every_field_of_a_key_reaches_its_record() {
    let minute = Limits::new([Quota::per_minute(100).burst(120)]).unwrap();
    let restrictions = Restrictions::new().networks(["192.0.2.0/24"]).unwrap();
    let start = SystemTime::UNIX_EPOCH + YEAR_2027;
    for (lines, expected) in [
        ("", plain()),
        ("name = \"CI\"\nmetadata = { team = \"build\", floor = 3 }", plain()),
        ("subject = \"robot\"", plain().subject("robot")),
        ("organizations = [\"a\", \"b\"]", plain().organizations(["a", "b"])),
        ("scopes = [\"read\", \"write\"]", plain().scopes(["read", "write"])),
        ("roles = [\"admin\"]", plain().roles(["admin"])),
        ("plan = \"any\"", plain().plan("any")),
        ("first_id = \"ci_0\"", plain().first_id("ci_0")),
        ("hint = \"ak_…x9Yz\"", plain().hint("ak_…x9Yz")),
        ("environment = \"live\"", plain().environment("live")),
        ("pepper = 1", plain().pepper(Some(1))),
        ("limits = [{ events = 100, period = \"60s\", burst = 120, name = \"minute\" }]", plain().limits(minute)),
        (
            "limits = [{ events = 9, calendar = \"day\" }]",
            plain().limits(Limits::new(Quota::per_calendar_day(9)).unwrap()),
        ),
        (
            "limits = [{ events = 9, calendar = \"month\", time_zone = \"Europe/Berlin\", name = \"all\" }]",
            plain()
                .limits(Limits::new(Quota::per_calendar_month(9).in_time_zone("Europe/Berlin").named("all")).unwrap()),
        ),
        ("networks = [\"192.0.2.0/24\"]", plain().restrictions(restrictions)),
        (
            "origins = [\"https://a.example\"]",
            plain().restrictions(Restrictions::new().origins(["https://a.example"]).unwrap()),
        ),
        ("not_before = 2027-01-01T00:00:00Z", plain().not_before(start)),
        ("not_before = 2027-01-01 01:00:00+01:00", plain().not_before(start)),
        ("expires_at = \"2027-01-01T00:00:00Z\"", plain().expires_at(start)),
        ("active = true\npaused = false\nrevoked = false", plain()),
        ("active = false", plain().state(KeyState::Deactivated)),
        ("paused = true", plain().state(KeyState::Paused)),
        ("active = false\npaused = true", plain().state(KeyState::Deactivated)),
        ("revoked = true\nactive = true\npaused = true", plain().state(KeyState::Revoked)),
        ("account_suspended = true", plain().account_suspended(true)),
        ("organization_suspended = true", plain().organization_suspended(true)),
    ] {
        assert_eq!(record(lines).await, expected, "{lines}");
    }
}

#[tokio::test]
async fn a_period_of_one_unit_names_its_limit() {
    for (limit, expected) in [
        ("events = 5, period = \"1s\"", Quota::per_second(5)),
        ("events = 5, period = \"1000ms\"", Quota::per_second(5)),
        ("events = 5, period = \"1m\"", Quota::per_minute(5)),
        ("events = 5, period = \"60m\"", Quota::per_hour(5)),
        ("events = 5, period = \"24h\"", Quota::per_day(5)),
        ("events = 5, period = \"15m\"", Quota::new(5, Duration::from_secs(900))),
        ("events = 5, period = \"1500ms\"", Quota::new(5, Duration::from_millis(1500))),
        ("events = 5, period = \"1d\", name = \"daily\"", Quota::per_day(5).named("daily")),
    ] {
        let expected = plain().limits(Limits::new(expected).unwrap());
        assert_eq!(record(&format!("limits = [{{ {limit} }}]")).await, expected, "{limit}");
    }
}

#[tokio::test]
async fn a_key_is_found_by_each_of_its_digests() {
    let folder = Folder::new();
    let (old, plain) = (scheme(), KeyScheme::sha256(KeyFormat::opaque(20)));
    let both = KeyScheme::new(
        KeyFormat::opaque(20),
        tower_auth::Peppers::new(2, [9; 32]).unwrap().accept(1, [7; 32]).unwrap(),
    )
    .accept_sha256();
    let line = |id: &str, digest: String| format!("[keys.{id}]\ndigest = \"{digest}\"\naccount = \"acme\"\n");
    let upper = digest(&plain, TWO).to_uppercase();
    folder.write(&(line("peppered", digest(&old, ONE)) + &line("\"plain one\"", upper)));
    let keys = folder.open();
    let id = async |scheme: &KeyScheme, key: &str| {
        let found = keys.find(&scheme.digests(key.as_bytes()).unwrap()).await.unwrap();
        found.map(|record| record.id().to_owned())
    };
    assert_eq!(id(&both, ONE).await.as_deref(), Some("peppered"));
    assert_eq!(id(&both, TWO).await.as_deref(), Some("plain one"));
    assert_eq!(id(&plain, TWO).await.as_deref(), Some("plain one"));
    assert_eq!((id(&old, TWO).await, id(&plain, ONE).await), (None, None));
    assert_eq!(id(&both, "a-key-that-nobody-has-made").await, None);
}

async fn refusal(keys: &FileKeyStore, peer: [u8; 4], origin: Option<&str>) -> (u16, String) {
    let headers = [("x-api-key", ONE), ("origin", origin.unwrap_or_default())];
    let mut request: Request<Body> = get("/", &headers[..=usize::from(origin.is_some())]);
    request.extensions_mut().insert(PeerAddr(peer.into()));
    let layer = ApiKeyLayer::new(scheme(), keys.clone()).disclose(Disclosure::State);
    let stack = AuthStack::builder().auth(layer).client_ip(ClientIp::peer()).build().unwrap();
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let code = Rejection::of(&response).map(|refusal| format!("{:?}", refusal.kind()));
    (response.status().as_u16(), code.unwrap_or_default())
}

#[tokio::test]
async fn restrictions_and_states_of_a_file_refuse_requests() {
    const INSIDE: [u8; 4] = [192, 0, 2, 9];
    let status =
        async |lines: &str, peer, origin| refusal(&Folder::with(&table("ci", ONE, lines)).open(), peer, origin).await.0;
    let networks = "networks = [\"192.0.2.0/24\"]";
    assert_eq!(status(networks, INSIDE, None).await, 200);
    assert_eq!(status(networks, [198, 51, 100, 1], None).await, 403);
    let origins = "origins = [\"https://a.example\"]";
    assert_eq!(status(origins, INSIDE, Some("https://a.example")).await, 200);
    assert_eq!(status(origins, INSIDE, Some("https://b.example")).await, 403);
    assert_eq!(status(origins, INSIDE, None).await, 403);
    for wrong in ["revoked = true", "expires_at = 2020-01-01T00:00:00Z", "not_before = 9000-01-01T00:00:00Z"] {
        assert_eq!(status(wrong, INSIDE, None).await, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_minted_key_is_accepted_when_its_table_is_pasted() {
    let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40).unwrap(), tower_auth::Peppers::new(3, [7; 32]).unwrap());
    let (id, account) = ("a.b \"c\"\\\u{7f}\n", "Äcme\t\u{1}");
    let (key, table) = FileKeyStore::mint(&scheme, id, account).unwrap();
    let keys = Folder::with(&table).open();
    let record = keys.find(&scheme.digests(key.expose().as_bytes()).unwrap()).await.unwrap().unwrap();
    let hint = scheme.format().hint(key.expose());
    assert_eq!(record, KeyRecord::new(id, account).hint(hint).pepper(Some(3)));
    assert!(!table.contains(key.expose()));
    // Without a pepper the digest has no version.
    let (_, table) = FileKeyStore::mint(&KeyScheme::sha256(KeyFormat::opaque(20)), "a", "b").unwrap();
    assert!(!table.contains("pepper"), "{table}");
}

#[tokio::test]
async fn an_empty_file_has_no_keys_and_a_big_file_has_all() {
    let keys = Folder::with("").open();
    assert!(!knows(&keys, ONE).await);
    assert!(keys.plans().is_err());
    let mut many = table("last", ONE, "");
    for n in 0..20_000 {
        write!(many, "[keys.k{n}]\ndigest = \"{n:064x}\"\naccount = \"acme\"\nscopes = [\"read\"]\n").unwrap();
    }
    let keys = Folder::with(&many).open();
    assert_eq!(find(&keys, ONE).await.unwrap().id(), "last");
    assert!(format!("{keys:?}").contains("20001"));
    assert_eq!(find(&keys, ONE).await.unwrap().status(SystemTime::now()), KeyStatus::Active);
}
