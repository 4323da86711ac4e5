//! p82: mistakes that are found when a stack, a verifier or a store is built.

use std::sync::{Arc, Mutex};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, Clock, ErrorEnvelopeLayer, KeyDigests, KeyRecord, KeyScheme,
    KeyStore, MemoryKeyStore, Principal, Rules, Secret, StoreFuture, TokenVerifier,
    jwks::JwksClient,
    permission::{authenticated, scope},
    testing::{FakeAuth, ManualClock},
    token::{Algorithm, KeySource as _, TokenRevocation, TokenStatus, TokenVerifierBuilder, VerifyingKey},
};

use crate::{
    no_leak::Logs,
    support::{KEY, get, ok, text},
};

fn fault(rules: Rules) -> Option<String> {
    let built = AuthStack::builder().auth(FakeAuth::never()).rules(rules).build();
    built.err().map(|error| error.to_string())
}

#[test]
fn p82_a_rule_that_an_earlier_one_covers_is_refused() {
    for (earlier, later) in [
        ("GET /v1/files", "GET /v1/files"),
        ("* /v1/files", "GET /v1/files"),
        ("/v1/files", "PURGE /v1/files"),
        ("* /v1/files", "/v1/files"),
        ("GET /v1/files", "HEAD /v1/files"),
        ("GET /v1/{id}", "GET /v1/files"),
        ("GET /v1/{id}", "GET /v1/{other}"),
        ("GET /v1/*", "GET /v1/{id}"),
        ("GET /v1/{id}", "GET /v1/*"),
        ("GET /v1/**", "GET /v1"),
        ("GET /v1/**", "GET /v1/"),
        ("GET /v1/**", "GET /v1/{id}/x"),
        ("GET /v1/**", "GET /v1/x/**"),
        ("GET /v1/**", "GET /v1/**"),
        ("/**", "GET /"),
        ("* /**", "POST /package.Service/Method"),
        ("/package.Service/*", "/package.Service/Method"),
        ("/package.Service/*", "POST /package.Service/Method"),
        ("/package.Service/**", "/package.Service/*"),
        ("/{a}/{b}", "/package.Service/Method"),
        ("/v1/a%20b", "/v1/a%20b"),
        ("/v1/caf%C3%A9", "/v1/caf%c3%a9"),
    ] {
        for (between, table) in [
            ("", Rules::new().require(earlier, scope("read")).public(later)),
            ("", Rules::new().public(earlier).require(later, scope("admin"))),
            ("", Rules::new().require(earlier, scope("read")).require(later, scope("read"))),
            ("/between", Rules::new().public(earlier).public("PATCH /between/it").public(later)),
        ] {
            // A rule between them may be covered too, and is then reported.
            let error = fault(table).unwrap_or_else(|| panic!("{earlier} covers {later}"));
            let named = |pattern: &str| error.contains(pattern.trim_start_matches("* "));
            assert!(named(earlier) && (named(later) || (!between.is_empty() && named(between))), "{error}");
            assert!(error.contains("put the narrower rule above"), "{error}");
        }
    }
}

#[test]
fn p82_rules_that_only_overlap_are_taken() {
    for (earlier, later) in [
        ("GET /v1/files", "* /v1/files"),
        ("HEAD /v1/files", "GET /v1/files"),
        ("GET /v1/files", "POST /v1/files"),
        ("GET /v1/files", "GET /v1/{id}"),
        ("GET /v1/{id}", "GET /v1/"),
        ("GET /v1/{id}", "GET /v1"),
        ("GET /v1/{id}", "GET /v1/{id}/"),
        ("GET /v1/{id}", "GET /v1/**"),
        ("GET /v1/{id}/**", "GET /v1/**"),
        ("GET /v1/x/**", "GET /v1/**"),
        ("GET /v1/files", "GET /v1/Files"),
        ("GET /v1/**", "POST /v1/x"),
        ("/package.Service/Method", "/package.Service/*"),
        ("POST /package.Service/*", "/package.Service/Method"),
        ("/v1/%7Eroot", "/v1/~root"),
        ("/v1/{a}/b", "/v1/a/{b}"),
    ] {
        let error = fault(Rules::new().require(earlier, scope("read")).public(later));
        assert_eq!(error, None, "{earlier} does not cover {later}");
    }
}

#[test]
fn p82_parameters_of_other_routers_are_refused() {
    for segment in [
        ":id",
        ":id.json",
        ":id?",
        ":from-:to",
        "from-:to",
        "@:name",
        ":_id",
        "<id>",
        "<int:id>",
        "id<regex>",
        "[id]",
        "[...slug]",
        "[[id]]",
        "(.*)",
        "(?P<id>x)",
        "(id)",
        "(a|b)",
        "a|b",
        ".+",
        ".*",
        "*.js",
        "file*",
        "*path",
        "^x",
        "x$",
        "{*rest}",
        "{**rest}",
        "{rest*}",
        "{proxy+}",
        "{...rest}",
        "{rest...}",
        "{id:int}",
        "{id:[0-9]+}",
        "{id?}",
        "{id=7}",
        "{$}",
        "{a,b}",
        "{",
        "}",
        "{id",
        "id}",
        "{id}}",
        "{{id}",
        "{{id}}",
        "{}",
        "{a}-{b}",
        "***",
        "**x",
    ] {
        for pattern in [format!("GET /v1/{segment}"), format!("/v1/{segment}/x"), format!("* /{segment}")] {
            let error = fault(Rules::new().require(&pattern, scope("read"))).unwrap_or_else(|| panic!("{pattern:?}"));
            assert!(error.contains(&format!("{pattern:?}")), "{pattern:?} is not named: {error}");
            assert!(error.contains("{name}") || error.contains("{id}") || error.contains('?'), "no advice: {error}");
        }
    }
    for pattern in ["/v1/**/x", "/**/x", "/v1/**/"] {
        assert!(fault(Rules::new().public(pattern)).is_some(), "{pattern}");
    }
    for pattern in [
        "/v1/models:delete",
        "/v1/a:b@c",
        "/v1/urn:isbn:7",
        "/v1/~alice;v=1",
        "/odata/$metadata",
        "/odata/Products(7)",
        "/v1/a+b",
        "/v1/...",
        "/v1/{org_id}/{user-id}/{n0}",
        "/v1/@me",
        "/v1/12:30",
    ] {
        assert_eq!(fault(Rules::new().public(pattern)), None, "{pattern}");
    }
}

#[test]
fn p82_what_would_take_the_place_of_another_is_refused() {
    let builder = || AuthStack::builder().auth(FakeAuth::never());
    let clock = ManualClock::at("2027-01-15T08:00:00Z");
    for (builder, words) in [
        (builder().auth(FakeAuth::never()), ["two methods of authentication", "AuthLayer::first(a).then(b)"]),
        (builder().auth(AuthLayer::from(FakeAuth::never())), ["two methods of authentication", ".then(b)"]),
        (
            builder().envelope(ErrorEnvelopeLayer::compact()).envelope(ErrorEnvelopeLayer::detailed()),
            ["two envelopes", "one ErrorEnvelopeLayer"],
        ),
        (builder().clock(&clock).clock(Clock::system()), ["two clocks", "once"]),
        (builder().rules(Rules::new()).rules(Rules::new()), ["two tables", "one table"]),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn p82_every_observer_is_told_of_decisions() {
    let told: Arc<Mutex<Vec<&str>>> = Arc::default();
    let tell = |name: &'static str| {
        let told = Arc::clone(&told);
        move |_: &tower_auth::Decision<'_>| told.lock().unwrap().push(name)
    };
    let builder = AuthStack::builder().auth(FakeAuth::never()).on_decision(tell("first")).on_decision(tell("second"));
    let stack = builder.on_decision(tell("third")).build().unwrap();
    assert_eq!(stack.layer(ok()).oneshot(get("/", &[])).await.unwrap().status(), 401);
    assert_eq!(*told.lock().unwrap(), ["first", "second", "third"]);
}

fn key() -> VerifyingKey {
    VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes..")).unwrap()
}

fn tokens() -> TokenVerifierBuilder {
    TokenVerifier::keys("https://id.example.com/", [key()]).audience("api")
}

/// A list of its own.
struct List;

impl TokenRevocation for List {
    fn status(
        &self,
        _: &tower_auth::token::Claims,
    ) -> tower_auth::MaybeReady<Result<TokenStatus, tower_auth::BoxError>> {
        tower_auth::MaybeReady::ready(Ok(TokenStatus::Valid))
    }
}

#[test]
fn p82_a_second_revocation_list_and_a_second_type_of_claims_are_refused() {
    let bearer = BearerLayer::new(tokens().build().unwrap()).revocation(List);
    assert!(AuthStack::builder().auth(bearer.clone()).build().is_ok());
    let error = AuthStack::builder().auth(bearer.revocation(List)).build().unwrap_err().to_string();
    assert!(error.contains("two revocation lists"), "{error}");
    let twice =
        tokens().claims::<serde_json::Value>().claims::<std::collections::BTreeMap<String, serde_json::Value>>();
    let error = twice.build().unwrap_err().to_string();
    assert!(error.contains("claims was called twice"), "{error}");
}

#[test]
fn p82_paths_to_claims_in_another_notation_are_refused() {
    for (name, pointer) in [
        ("realm_access.roles", "/realm_access/roles"),
        ("resource_access.my-client.roles", "/resource_access/my-client/roles"),
        ("$.realm_access.roles", "/realm_access/roles"),
        ("realm_access[roles]", "/realm_access/roles"),
        ("realm_access['roles']", "/realm_access/roles"),
        ("realm_access/roles", "/realm_access/roles"),
        ("realm_access->roles", "/realm_access/roles"),
        (".roles", "/roles"),
        ("com.example.roles", "/com.example.roles"),
        ("", "use the name of a claim"),
        (" ", "use the name of a claim"),
        ("/", "use a pointer such as /realm_access/roles"),
        ("/realm_access/", "use a pointer such as /realm_access/roles"),
        ("/realm_access//roles", "use a pointer such as /realm_access/roles"),
        ("/a~2b", "~1 is a slash"),
        ("/a~", "~1 is a slash"),
    ] {
        for (method, builder) in [
            ("roles_from", tokens().roles_from(name)),
            ("scopes_from", tokens().scopes_from(name)),
            ("subject_from", tokens().subject_from(name)),
            ("organizations_from", tokens().organizations_from(name)),
            ("account_from", tokens().account_from(name)),
            ("plan_from", tokens().plan_from(name)),
            ("key_from", tokens().key_from(name)),
            ("limits_from", tokens().limits_from(name)),
        ] {
            let error = builder.build().expect_err(name).to_string();
            for words in [method, &format!("{name:?}"), pointer] {
                assert!(error.contains(words), "{error}");
            }
        }
    }
    for name in [
        "roles",
        "https://example.com/roles",
        "https://example.com/app.roles",
        "urn:example.com:roles",
        "cognito:groups",
        "urn:zitadel:iam:org:project:roles",
        "/realm_access/roles",
        "/resource_access/my.client/roles",
        "/com.example.roles",
        "/https:~1~1example.com~1roles",
        "user-roles_2",
    ] {
        assert!(tokens().roles_from(name).build().is_ok(), "{name}");
    }
}

#[test]
fn p82_the_address_of_a_description_is_no_issuer() {
    for (address, issuer) in [
        ("https://id.example.com/.well-known/openid-configuration", "https://id.example.com"),
        ("https://id.example.com/.well-known/openid-configuration/", "https://id.example.com"),
        ("https://id.example.com/realms/acme/.well-known/openid-configuration", "https://id.example.com/realms/acme"),
        ("https://id.example.com/.well-known/oauth-authorization-server", "https://id.example.com"),
        ("https://id.example.com/.well-known/oauth-authorization-server/acme", "https://id.example.com/acme"),
        ("https://id.example.com/.well-known/jwks.json", "https://id.example.com"),
        ("https://id.example.com/.well-known/", "https://id.example.com"),
        ("https://id.example.com/.well-known", "https://id.example.com"),
    ] {
        for error in [
            TokenVerifier::discover(address).audience("api").build().unwrap_err(),
            TokenVerifier::source(address, JwksClient::discover(address)).audience("api").build().unwrap_err(),
            TokenVerifier::source("https://x/", JwksClient::discover(address)).audience("api").build().unwrap_err(),
            TokenVerifier::keys(address, [key()]).audience("api").build().unwrap_err(),
            JwksClient::discover(address).check_config().unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.contains(address) && error.ends_with(&format!(" {issuer}")), "{error}");
            assert!(error.contains("use the exact value of iss"), "{error}");
        }
    }
    for address in [
        "https://id.example.com/.well-known/openid-configuration",
        "https://id.example.com/.well-known/oauth-authorization-server/acme",
    ] {
        let error = TokenVerifier::jwks("https://id.example.com", address).audience("api").build().unwrap_err();
        assert!(error.to_string().contains("call discover(\"https://id.example.com"), "{error}");
    }
    for address in ["https://id.example.com/.well-known/jwks.json", "https://id.example.com/keys"] {
        assert!(TokenVerifier::jwks("https://id.example.com", address).audience("api").build().is_ok(), "{address}");
    }
    for issuer in ["https://id.example.com", "https://id.example.com/.well-known-issuer"] {
        assert!(TokenVerifier::discover(issuer).audience("api").build().is_ok(), "{issuer}");
    }
}

#[test]
fn p82_the_types_of_problems_start_with_a_url() {
    let build = |base: &'static str| {
        let envelope = ErrorEnvelopeLayer::problem_types(base);
        AuthStack::builder().auth(FakeAuth::never()).envelope(envelope).build()
    };
    for base in [
        "",
        "problems",
        "problems/",
        "api.example.com/problems/",
        "localhost:8080/problems/",
        "https:",
        "https://",
        "https:/problems/",
        "https:problems/",
        "https:///problems/",
        "http://:80/",
        "//api.example.com/problems/",
        "https://api.example.com/our problems/",
        "https://api.example.com/<type>/",
        "https://api.example.com/caf\u{e9}/",
        "not a URL",
        "://x",
        "1http://x/",
        "urn:",
    ] {
        let error = build(base).expect_err(base).to_string();
        assert!(error.contains(&format!("{base:?}")) && error.contains("https://api.example.com/problems/"), "{error}");
    }
    for base in [
        "https://api.example.com/problems/",
        "HTTPS://api.example.com/problems#",
        "http://localhost:8080/problems?code=",
        "https://[::1]:80/problems/",
        "urn:example:problem:",
        "tag:example.com,2026:",
        "/problems/",
    ] {
        assert!(build(base).is_ok(), "{base}");
    }
}

/// An envelope that is mounted alone cannot refuse to start: it says no wrong types, and tells the log.
#[tokio::test]
async fn p82_an_envelope_alone_leaves_types_that_are_no_url_out() {
    let logs = Logs::capture();
    let layer = ErrorEnvelopeLayer::problem_types("problems");
    let alone = layer.layer(AuthLayer::from(FakeAuth::never()).layer(ok()));
    assert!(logs.text().contains("ERROR") && logs.text().contains("\"problems\""), "{}", logs.text());
    let body = text(alone.oneshot(get("/", &[])).await.unwrap()).await;
    assert!(body.contains("about:blank") || !body.contains("\"type\""), "{body}");
}

/// A store of one's own that answers this record to every question.
struct Always(KeyRecord);

impl KeyStore for Always {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Ok(Some(self.0.clone())))
    }
}

#[tokio::test]
async fn p82_nobody_is_admitted_without_a_name() {
    for name in ["", " ", "\t\n"] {
        let nobody = Principal::builder(name).scopes(["admin"]).build();
        let records = [
            KeyRecord::new(name, "acme"),
            KeyRecord::new("k1", name),
            KeyRecord::new("k1", "acme").subject(name),
            KeyRecord::new("k1", name).subject("alice"),
        ];
        let stores = records.clone().map(|record| {
            AuthLayer::from(ApiKeyLayer::new(KeyScheme::ephemeral(crate::support::ak()), Always(record)))
        });
        let fakes =
            [AuthLayer::from(FakeAuth::always(nobody.clone())), AuthLayer::from(FakeAuth::always(nobody)).optional()];
        for auth in stores.into_iter().chain(fakes) {
            let stack = AuthStack::builder().auth(auth.clone()).require(authenticated()).build().unwrap();
            for in_a_stack in [true, false] {
                let logs = Logs::capture();
                let request = get("/", &[("x-api-key", KEY)]);
                let status = if in_a_stack {
                    stack.layer(ok()).oneshot(request).await.unwrap().status()
                } else {
                    auth.layer(ok()).oneshot(request).await.unwrap().status()
                };
                assert_eq!(status, 500, "{name:?}");
                assert!(logs.text().contains("ERROR") && logs.text().contains("empty"), "{}", logs.text());
            }
        }
        // Where a part is built, it is found then.
        let scheme = KeyScheme::ephemeral(crate::support::ak());
        for record in records {
            assert!(MemoryKeyStore::new().with(&scheme, KEY, record.clone()).is_err());
            let error = MemoryKeyStore::new().create(&scheme, record).unwrap_err().to_string();
            assert!(error.contains("empty"), "{error}");
        }
        let error = ApiKeyLayer::static_key(name, Secret::new("0123456789abcdef")).unwrap_err().to_string();
        assert!(error.contains("no name"), "{error}");
    }
}
