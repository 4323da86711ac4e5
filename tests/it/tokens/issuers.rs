//! Several issuers of one verifier, and issuers by a template with a tenant.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use serde_json::json;
use tower_auth::{
    AuthStack, BearerLayer, Clock, TokenVerifier,
    token::{KeySet, Tenants, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, hand, judged,
    mint::{AUDIENCE, ISSUER, Object, attackers, b64, claims, hmac, jwks, key},
    present, stack_of,
};
use crate::key_sets::source::{Does, Script};

const V1: &str = "https://sts.windows.net/{tenantid}/";
const V2: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const ACME: &str = "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11";
const BETA: &str = "9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3";
/// The tenant of personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn keys(kids: &[&str]) -> KeySet {
    KeySet::from_json(jwks(kids).as_bytes()).unwrap()
}

fn exact(issuer: &'static str) -> TokenVerifierBuilder {
    TokenVerifier::key_set(issuer, keys(&["es256"])).audience(AUDIENCE)
}

fn entra(tenants: Tenants) -> TokenVerifierBuilder {
    exact(V2).tenants(tenants.guids())
}

fn filled(template: &str, tenant: &str) -> String {
    template.replace("{tenantid}", tenant)
}

/// The claims of a token of a tenant.
fn of(template: &str, tenant: &str) -> Object {
    claims(NOW).text("iss", &filled(template, tenant)).text("tid", tenant)
}

fn sealed(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

#[tokio::test]
async fn a_verifier_has_several_exact_issuers() {
    let google = || exact("https://accounts.google.com").also_issuer("accounts.google.com");
    for good in ["https://accounts.google.com", "accounts.google.com"] {
        let claims = judged(google(), &sealed(&claims(NOW).text("iss", good))).await.unwrap();
        assert_eq!(claims.principal().issuer(), Some(good), "the issuer is the token's own");
        assert!(claims.principal().organizations().is_empty());
    }
    for bad in ["https://accounts.google.com/", "Accounts.google.com", "accounts.google.com ", "", "google.com", ISSUER]
    {
        let refused = judged(google(), &sealed(&claims(NOW).text("iss", bad))).await;
        assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{bad:?}: {refused:?}");
    }
    let tokens = google().build().unwrap();
    assert_eq!(tokens.issuer(), "https://accounts.google.com");
    let why = tokens.explain(&sealed(&claims(NOW).text("iss", "accounts.google.com/")), &TokenError::WrongIssuer);
    assert!(
        why.contains("last slash") && why.contains(r#""https://accounts.google.com", "accounts.google.com""#),
        "{why}"
    );
}

#[tokio::test]
async fn the_holder_of_a_refused_token_has_the_issuer_of_the_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let tokens = exact(ISSUER).also_issuer("https://other.test/").also_issuer(V2).tenants(Tenants::any());
    let stack = AuthStack::builder()
        .auth(BearerLayer::new(tokens.build().unwrap()))
        .clock(&hand())
        .on_decision(move |decision| {
            told.lock().unwrap().extend(decision.principal().and_then(|who| who.issuer().map(str::to_owned)));
        })
        .build()
        .unwrap();
    for named in [ISSUER, "https://other.test/", &*filled(V2, ACME)] {
        let expired = sealed(&claims(NOW).text("iss", named).text("tid", ACME).raw("exp", NOW - 1));
        present(&stack, &expired).await.assert_expired();
        assert_eq!(seen.lock().unwrap().pop().as_deref(), Some(named));
    }
    // A token of another issuer counts for the first.
    present(&stack, &sealed(&claims(NOW).text("iss", "https://third.test/"))).await.assert_invalid();
    assert_eq!(seen.lock().unwrap().pop().as_deref(), Some(ISSUER));
}

#[tokio::test]
async fn a_token_of_an_accepted_tenant_is_good() {
    for tenants in [Tenants::only([BETA, ACME]), Tenants::when(|tenant| tenant == ACME), Tenants::any()] {
        let claims = judged(entra(tenants), &sealed(&of(V2, ACME))).await.unwrap();
        let who = claims.principal();
        assert_eq!(who.issuer(), Some(&*filled(V2, ACME)));
        assert!(who.organizations() == [ACME], "the tenant is the organisation");
    }
    let token = sealed(&of(V2, ACME).raw("groups", r#"["a","b"]"#));
    let claims = judged(entra(Tenants::any()).organizations_from("groups"), &token).await.unwrap();
    assert!(claims.principal().organizations() == ["a", "b", ACME], "the tenant is one of several");
    // Another name of the claim, and of the placeholder.
    let okta = exact("https://{org}.example.com").tenants(Tenants::only(["acme"]).claim("org"));
    let token = sealed(&super::mint::claims(NOW).text("iss", "https://acme.example.com").text("org", "acme"));
    assert!(judged(okta, &token).await.is_ok());
}

#[tokio::test]
async fn a_tenant_is_what_both_places_say_and_nothing_else() {
    let upper = ACME.to_uppercase();
    let long = "a".repeat(10_000);
    let hostile = [
        &*upper,
        "",
        ".",
        "..",
        "../common",
        "common",
        "{tenantid}",
        "%7Btenantid%7D",
        "5f0c1b7e%2D3a55-4c1c-8d0e-0c6b8a7e1f11",
        "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11/",
        "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11/v2.0?a=",
        "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f1１",
        "５f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11",
        " 5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11",
        "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11\u{0}",
        "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f1",
        "5f0c1b7e03a5504c1c08d0e00c6b8a7e1f11",
        "5f0c1b7e-3a554c1c-8d0e--0c6b8a7e1f11",
        "g".repeat(36).leak(),
        &*long,
    ];
    for tenant in hostile {
        // The predicate would take it: the form does not.
        let refused = judged(entra(Tenants::any()).max_token_len(64 * 1024), &sealed(&of(V2, tenant))).await;
        assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{tenant:?}: {refused:?}");
    }
    // Without the form of GUIDs, a tenant still cannot change the structure of a URL.
    for tenant in
        ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a\\b", "a b", "ä", "{tenantid}", "a:b", "a@b", &*"a".repeat(129)]
    {
        let refused = judged(exact(V2).tenants(Tenants::any()), &sealed(&of(V2, tenant))).await;
        assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{tenant:?}: {refused:?}");
    }
    for tenant in ["a", "A_b-c.d", &*"a".repeat(128)] {
        assert!(judged(exact(V2).tenants(Tenants::any()), &sealed(&of(V2, tenant))).await.is_ok(), "{tenant:?}");
    }
    // Issuers that only look like one of the template.
    for issuer in [
        &*filled(V2, ACME).replace("https", "http"),
        &*filled(V2, ACME).replace("v2.0", "V2.0"),
        &*filled(V2, ACME).replace(".com", ".com.evil.test"),
        &*(filled(V2, ACME) + "/"),
        &*filled(V1, ACME),
        V2,
        "https://login.microsoftonline.com//v2.0",
        "https://login.microsoftonline.com/v2.0",
    ] {
        let refused = judged(entra(Tenants::any()), &sealed(&of(V2, ACME).text("iss", issuer))).await;
        assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{issuer:?}: {refused:?}");
    }
    // The claim and the issuer must agree.
    let claim = |value: serde_json::Value| sealed(&of(V2, ACME).raw("tid", value));
    for token in [
        sealed(&of(V2, ACME).without("tid")),
        claim(json!(BETA)),
        claim(json!(upper)),
        claim(json!("")),
        claim(json!(null)),
        claim(json!(5)),
        claim(json!([ACME])),
        claim(json!({ "tid": ACME })),
        sealed(&of(V2, ACME).without("tid").text("tenantid", ACME)),
    ] {
        let refused = judged(entra(Tenants::any()), &token).await;
        assert!(matches!(&refused, Err(TokenError::BadClaim(why)) if why.contains("tenant")), "{refused:?}");
    }
    // Twice is never.
    let twice = sealed(&of(V2, ACME).last("tid", json!(ACME)));
    assert!(matches!(judged(entra(Tenants::any()), &twice).await, Err(TokenError::Malformed(_))));
}

#[tokio::test]
async fn a_tenant_that_is_not_accepted_is_refused() {
    for tenants in [Tenants::only([ACME]), Tenants::when(|tenant| tenant == ACME)] {
        let tokens = entra(tenants).build().unwrap();
        let token = sealed(&of(V2, BETA));
        let error = tokens.verify(&token, &Clock::from(&hand())).await.unwrap_err();
        assert!(matches!(error, TokenError::WrongIssuer), "{error}");
        let why = tokens.explain(&token, &error);
        assert!(why.contains(BETA) && why.contains("not one that the verifier accepts"), "{why}");
    }
}

#[tokio::test]
async fn a_made_up_tenant_causes_no_fetch() {
    let source = Script::new(Does::Answer(Bytes::from(jwks(&["es256"]))));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let tenants = Tenants::when(move |tenant| counted.fetch_add(1, Ordering::SeqCst) < usize::MAX && tenant == ACME);
    let tokens = TokenVerifier::source(V2, Arc::clone(&source)).audience(AUDIENCE).tenants(tenants.guids());
    let tokens = tokens.build().unwrap();
    let hand = hand();
    let clock = Clock::from(&hand);
    // No key is known, and nobody asks for one.
    let forged = |claims: &Object, kid: &str| attackers()[1].seal(attackers()[1].header().text("kid", kid), claims);
    for made_up in [BETA, "common", "..", "{tenantid}", ""] {
        let refused = tokens.verify(&forged(&of(V2, made_up), "made up"), &clock).await;
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{made_up}: {refused:?}");
    }
    assert_eq!((source.fetches(), asked.load(Ordering::SeqCst)), (0, 1), "only a well-formed tenant is asked about");
    assert!(tokens.verify(&sealed(&of(V2, ACME)), &clock).await.is_ok());
    hand.advance(std::time::Duration::from_secs(60));
    for made_up in [BETA, "common", PERSONAL] {
        let refused = tokens.verify(&forged(&of(V2, made_up), "made up"), &clock).await;
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{made_up}: {refused:?}");
    }
    assert_eq!(source.fetches(), 1);
    // The tenant is a real one: its key may be new.
    let _ = tokens.verify(&forged(&of(V2, ACME), "new"), &clock).await;
    assert_eq!(source.fetches(), 2);
}

/// Keys as Entra publishes them for all tenants: each with its issuer.
fn bound(issuers: &[(&str, serde_json::Value)]) -> KeySet {
    let keys = issuers.iter().map(|(kid, issuer)| {
        let mut jwk = key(kid).jwk();
        jwk["issuer"] = issuer.clone();
        jwk
    });
    KeySet::from_json(json!({ "keys": keys.collect::<Vec<_>>() }).to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_key_is_used_for_tokens_of_its_issuer_alone() {
    let personal = filled(V2, PERSONAL);
    let both = || TokenVerifier::key_set(V2, bound(&[("es256", json!(V2)), ("es384", json!(personal))]));
    let both = || both().audience(AUDIENCE).tenants(Tenants::any().guids());
    let by = |kid: &str, tenant: &str| key(kid).seal(key(kid).header(), of(V2, tenant));
    for (kid, tenant, good) in
        [("es256", ACME, true), ("es256", PERSONAL, true), ("es384", PERSONAL, true), ("es384", ACME, false)]
    {
        let outcome = judged(both(), &by(kid, tenant)).await;
        assert_eq!(outcome.is_ok(), good, "{kid} {tenant}: {outcome:?}");
        if !good {
            assert!(matches!(outcome, Err(TokenError::WrongIssuer)), "{outcome:?}");
        }
    }
    // A key that is bound to something odd is used for nothing, and one without a binding for everything.
    for (issuer, good) in [
        (json!(null), true),
        (json!(""), false),
        (json!(5), false),
        (json!("https://other.test/{tenantid}"), false),
        (json!("https://login.microsoftonline.com/{tenant}/v2.0"), true),
        (json!("https://login.microsoftonline.com/{tenantid}/v2.0/"), false),
        (json!(filled(V2, &ACME.to_uppercase())), false),
        (json!(V1), false),
    ] {
        let tokens = TokenVerifier::key_set(V2, bound(&[("es256", issuer.clone())])).audience(AUDIENCE);
        let outcome = judged(tokens.tenants(Tenants::any().guids()), &by("es256", ACME)).await;
        assert_eq!(outcome.is_ok(), good, "{issuer}: {outcome:?}");
    }
    // Another issuer may have such a member with another meaning.
    let plain = TokenVerifier::key_set(ISSUER, bound(&[("es256", json!("CN=somebody"))])).audience(AUDIENCE);
    assert!(judged(plain, &key("es256").token(NOW)).await.is_ok());
}

#[tokio::test]
async fn tokens_of_v1_and_v2_are_verified_with_the_keys_of_v2() {
    let both = || {
        TokenVerifier::key_set(V2, bound(&[("es256", json!(V2)), ("es384", json!(filled(V2, PERSONAL)))]))
            .also_issuer(V1)
            .audience(AUDIENCE)
            .tenants(Tenants::any().guids())
    };
    let by = |kid: &str, template: &str, tenant: &str| key(kid).seal(key(kid).header(), of(template, tenant));
    for template in [V1, V2] {
        let claims = judged(both(), &by("es256", template, ACME)).await.unwrap();
        assert_eq!(claims.principal().issuer(), Some(&*filled(template, ACME)));
        assert!(judged(both(), &by("es384", template, PERSONAL)).await.is_ok());
        let other = judged(both(), &by("es384", template, ACME)).await;
        assert!(matches!(other, Err(TokenError::WrongIssuer)), "{other:?}");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_of_a_tenant() {
    let message = format!("{}.{}", b64(key("es256").header().text("alg", "HS256")), b64(of(V2, ACME)));
    let forged = format!("{message}.{}", b64(hmac("HS256", super::mint::P256.as_bytes(), message.as_bytes())));
    let refused = judged(entra(Tenants::any()), &forged).await;
    assert!(matches!(refused, Err(TokenError::UnknownKey)), "{refused:?}");
}

#[tokio::test]
async fn the_issuer_of_a_token_chooses_among_templates() {
    let entra = || entra(Tenants::only([ACME])).build().unwrap();
    let okta = || exact("https://{org}.okta.example").tenants(Tenants::any().claim("org")).build().unwrap();
    let beta = || exact("https://login.microsoftonline.com/9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3/v2.0").build().unwrap();
    let layer = BearerLayer::new(exact(ISSUER).build().unwrap()).or(entra()).or(beta()).or(okta());
    let stack = stack_of(layer);
    for good in [
        key("es256").token(NOW),
        sealed(&of(V2, ACME)),
        sealed(&of(V2, BETA)),
        sealed(&claims(NOW).text("iss", "https://acme.okta.example").text("org", "acme")),
    ] {
        present(&stack, &good).await.assert_accepted();
    }
    for bad in [
        sealed(&of(V2, PERSONAL)),
        sealed(&of(V2, "{tenantid}")),
        sealed(&claims(NOW).text("iss", "https://{org}.okta.example").text("org", "{org}")),
        sealed(&claims(NOW).text("iss", "https://a.b/.okta.example").text("org", "a.b/")),
    ] {
        let told = present(&stack, &bad).await;
        told.assert_invalid();
        assert!(told.cause.unwrap().contains("the token's issuer is"));
    }
}

fn mounted(one: TokenVerifierBuilder, two: TokenVerifierBuilder) -> Result<AuthStack, String> {
    let layer = BearerLayer::new(one.build().unwrap()).or(two.build().unwrap());
    AuthStack::builder().auth(layer).build().map_err(|error| error.to_string())
}

#[test]
fn verifiers_whose_issuers_overlap_are_not_mounted() {
    let in_v2 = "https://login.microsoftonline.com/5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11/v2.0";
    let any = || exact(V2).tenants(Tenants::any());
    let of = |template: &'static str| exact(template).tenants(Tenants::any());
    let cases = vec![
        ("the same", exact(ISSUER), exact(ISSUER), true),
        ("other names", exact(ISSUER), exact("https://other.test/"), false),
        ("a second name", exact(ISSUER).also_issuer("a"), exact("b").also_issuer("a"), true),
        ("an exact one within a template", any(), exact(in_v2), true),
        ("the other way round", exact(in_v2), any(), true),
        ("an exact one beside a template", any(), exact("https://login.microsoftonline.com/common/v2.0/"), false),
        (
            "no GUID",
            exact(V2).tenants(Tenants::any().guids()),
            exact("https://login.microsoftonline.com/acme/v2.0"),
            false,
        ),
        ("not on the list", entra(Tenants::only([BETA])), exact(in_v2), false),
        ("on the list", entra(Tenants::only([BETA, ACME])), exact(in_v2), true),
        ("two lists", entra(Tenants::only([BETA])), entra(Tenants::only([ACME])), false),
        ("two lists with one in both", entra(Tenants::only([BETA, ACME])), entra(Tenants::only([ACME])), true),
        ("a list and a predicate", entra(Tenants::only([BETA])), any(), true),
        ("two predicates", any(), any(), true),
        ("v1 and v2", any(), of(V1), false),
        ("parts of a host", of("https://{a}.example.com"), of("https://{b}.other.com"), false),
        ("parts that can meet", of("https://{a}.example.com"), of("https://{b}.com"), true),
        ("crossed", of("https://h/{a}/x"), of("https://h/y/{b}"), true),
        ("crossed past one another", of("https://h/{a}/x"), of("https://h/y/{b}z"), false),
        ("another number of segments", of("https://h/{a}"), of("https://h/{a}/b"), false),
    ];
    for (name, one, two, overlap) in cases {
        let outcome = mounted(one, two);
        assert_eq!(outcome.is_err(), overlap, "{name}: {:?}", outcome.err());
        if let Err(error) = outcome {
            assert!(error.contains("two verifiers for the issuer"), "{name}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_a_template_or_a_tenant_is_said_when_it_is_built() {
    let any = Tenants::any;
    let cases = [
        ("twice", exact(ISSUER).also_issuer(ISSUER), "twice"),
        ("an empty second one", exact(ISSUER).also_issuer(""), "no issuer"),
        ("metadata", exact(ISSUER).also_issuer("https://a.test/.well-known/openid-configuration"), "metadata"),
        ("a template alone", exact(V2), "is a template, and no tenants are accepted"),
        ("tenants alone", exact(ISSUER).tenants(any()), "no issuer of the TokenVerifier is a template"),
        ("two places", exact("https://a.test/{a}/{b}").tenants(any()), "more than one placeholder"),
        ("half a place", exact("https://a.test/{a").tenants(any()), "braces"),
        ("no name", exact("https://a.test/{}").tenants(any()), "braces"),
        ("the wrong way round", exact("https://a.test/}a{").tenants(any()), "braces"),
        ("a long place", exact("https://a.test/{a/b}").tenants(any()), "several segments"),
        ("nobody", exact(V2).tenants(Tenants::only::<&str>([])), "empty"),
        ("no tenant", exact(V2).tenants(Tenants::only(["a/b"])), "is not a tenant"),
        ("no GUID", exact(V2).tenants(Tenants::only([ACME.to_uppercase()]).guids()), "lower case"),
        ("a pointer", exact(V2).tenants(any().claim("/a/b")), "JSON Pointer"),
        ("no claim", exact(V2).tenants(any().claim("")), "not a claim"),
    ];
    for (name, builder, said) in cases {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
}
