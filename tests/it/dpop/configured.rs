//! Settings: those that cannot work, and what each changes.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, Authenticator as _, BearerLayer, Dpop, Secret, dpop::Nonces, token::Algorithm,
};

use super::{ALGS, ORIGIN, Proof, layer, layer_of, prove, request, request_for, stack, token_of, verifier};
use crate::{
    support::{Body, get, strict as service},
    tokens::{NOW, ask, mint::key, stack_of, strict},
};

fn fault(layer: impl Into<AuthLayer>) -> String {
    AuthStack::builder().auth(layer).build().unwrap_err().to_string()
}

#[test]
fn what_cannot_work_is_said_when_it_is_built() {
    let minute = Duration::from_secs(60);
    for (settings, why) in [
        (Dpop::new(""), "public address"),
        (Dpop::new("api.test"), "public address"),
        (Dpop::new("https://api.test/?a"), "public address"),
        (Dpop::new("https://me@api.test"), "public address"),
        (Dpop::new(ORIGIN).also_at("ftp://api.test"), "public address"),
        (Dpop::new(ORIGIN).algorithms([]), "no algorithm"),
        (Dpop::new(ORIGIN).algorithms([Algorithm::Es256, Algorithm::Hs256]), "HS256"),
        (Dpop::new(ORIGIN).max_age(Duration::ZERO), "maximum age"),
        (Dpop::new(ORIGIN).max_age(11 * minute), "maximum age"),
        (Dpop::new(ORIGIN).leeway(2 * minute), "leeway"),
        (Dpop::new(ORIGIN).nonces(Nonces::new([7; 32]).unwrap().lifetime(Duration::ZERO)), "lifetime"),
        (Dpop::new(ORIGIN).nonces(Nonces::new([7; 32]).unwrap().lifetime(120 * minute)), "lifetime"),
    ] {
        assert!(fault(layer_of(settings.clone())).contains(why), "{settings:?}");
    }
    assert!(fault(layer().dpop(Dpop::new(ORIGIN))).contains("two Dpop settings"));
    assert!(fault(layer_of(Dpop::new(ORIGIN).require()).cookie("token")).contains("Dpop::require"));
    assert!(fault(BearerLayer::new(verifier()).cookie("token").dpop(Dpop::new(ORIGIN).require())).contains("cookie"));
    let required = || layer_of(Dpop::new(ORIGIN).require());
    for (layer, place) in [
        (required().websocket_protocol("bearer."), "WebSocket subprotocols"),
        (required().header("X-Jwt"), "the header x-jwt"),
        (required().auth_scheme("Token"), "the scheme \"Token\""),
    ] {
        assert!(fault(layer).contains(&format!("{place}, and Dpop::require")), "{place}");
    }
    assert!(Nonces::new([0; 32]).is_err() && Nonces::new([7; 32]).unwrap().accept([0; 32]).is_err());
}

#[tokio::test]
async fn the_challenge_offers_what_is_accepted() {
    for (layer, expected) in [
        (layer(), format!(r#"Bearer realm="api", DPoP realm="api", algs="{ALGS}""#)),
        (layer_of(Dpop::new(ORIGIN).require()), format!(r#"DPoP realm="api", algs="{ALGS}""#)),
        (
            layer_of(Dpop::new(ORIGIN).algorithms([Algorithm::Es256])).realm("a").resource_metadata("https://api.test/m"),
            r#"Bearer realm="a", resource_metadata="https://api.test/m", DPoP realm="a", resource_metadata="https://api.test/m", algs="ES256""#.to_owned(),
        ),
        (
            BearerLayer::new(verifier()).realm("a").dpop(Dpop::new(ORIGIN).algorithms([Algorithm::Ps256])),
            r#"Bearer realm="a", DPoP realm="a", algs="PS256""#.to_owned(),
        ),
    ] {
        assert_eq!(layer.challenge(), expected);
        let told = ask(&stack_of(layer), get("/things", &[])).await;
        told.assert(401, "AUTHENTICATION_REQUIRED", &[&expected]);
    }
}

/// Whichever of the two is set first, the header of the bound token is one with a credential.
#[tokio::test]
async fn beside_a_header_of_its_own_the_bound_token_is_protected_too() {
    let token = token_of("es256");
    for layer in [layer().header("X-Jwt"), BearerLayer::new(verifier()).header("X-Jwt").dpop(Dpop::new(ORIGIN))] {
        let stack = stack_of(layer.strip_credentials());
        let seen = service(|request: Request<Body>| {
            assert!(!request.headers().contains_key("authorization") && !request.headers().contains_key("dpop"));
            Response::new(Body::default())
        });
        let proven = || request("DPoP", &token, &[&Proof::of("es256", &token).sealed()]);
        assert_eq!(stack.layer(seen).oneshot(proven()).await.unwrap().status(), 200);
        let mut twice = proven();
        twice.headers_mut().append("authorization", HeaderValue::from_static("Bearer a.b.c"));
        assert_eq!(ask(&stack, twice).await.short(), (400, "INVALID_REQUEST"));
    }
}

/// The errors of the two schemes, each in its own challenge.
#[tokio::test]
async fn each_scheme_is_answered_in_its_own_words() {
    let stack = stack();
    let dpop = |error, text| super::challenge(error, text);
    let malformed = dpop("invalid_request", "The Authorization header has no token");
    ask(&stack, get("/things", &[("authorization", "DPoP")])).await.assert(400, "INVALID_REQUEST", &[&malformed]);
    let two = get("/things", &[("authorization", "DPoP a.b.c"), ("authorization", "Bearer a.b.c")]);
    let both = format!(r#"Bearer realm="api", error="invalid_request", DPoP realm="api", algs="{ALGS}""#);
    ask(&stack, two).await.assert(400, "INVALID_REQUEST", &[&both]);
    let expired = key("rs512").seal(key("rs512").header(), crate::tokens::mint::claims(NOW - 7200));
    let told = prove(&stack, &expired, &Proof::of("es256", &expired).sealed()).await;
    told.assert(401, "TOKEN_EXPIRED", &[&dpop("invalid_token", "The access token expired")]);
    let joined = format!("{}, Bearer {}", token_of("es256"), token_of("es256"));
    assert_eq!(prove(&stack, &joined, &Proof::of("es256", &joined).sealed()).await.status, 401);
    // Without the setting, DPoP is a scheme of somebody else.
    let without = stack_of(BearerLayer::new(verifier()));
    ask(&without, request("DPoP", &token_of("es256"), &[])).await.assert(
        401,
        "AUTHENTICATION_REQUIRED",
        &[crate::tokens::MISSING],
    );
}

#[tokio::test]
async fn if_proofs_are_required_nothing_else_is_accepted() {
    let stack = stack_of(layer_of(Dpop::new(ORIGIN).require()));
    let token = token_of("es256");
    prove(&stack, &token, &Proof::of("es256", &token).sealed()).await.assert_accepted();
    for token in [key("rs512").token(NOW), token, "x".to_owned()] {
        let told = ask(&stack, request("Bearer", &token, &[&Proof::of("es256", &token).sealed()])).await;
        told.assert_bad_binding("Dpop::require");
    }
}

#[tokio::test]
async fn only_the_named_algorithms_are_accepted() {
    let stack = stack_of(layer_of(Dpop::new(ORIGIN).algorithms([Algorithm::Ed25519])));
    let token = token_of("ed25519");
    prove(&stack, &token, &Proof::of("ed25519", &token).sealed()).await.assert_accepted();
    let newer = Proof::of("ed25519", &token).header(|header| header.text("alg", "Ed25519")).sealed();
    prove(&stack, &token, &newer).await.assert_accepted();
    let token = token_of("es256");
    let told = prove(&stack, &token, &Proof::of("es256", &token).sealed()).await;
    assert!(told.cause.unwrap().contains(r#"its alg is "ES256", and EdDSA Ed25519 are accepted"#));
}

/// The address is the configured one, whatever a proxy or a client writes.
#[tokio::test]
async fn the_address_of_a_request_is_configured() {
    let stack = stack_of(layer_of(Dpop::new("https://example.test/api/").also_at("https://other.test:8443")));
    let token = token_of("es256");
    let to = |htu: &str| Proof::of("es256", &token).claim(|claims| claims.text("htu", htu)).sealed();
    for (htu, accepted) in [
        ("https://example.test/api/things", true),
        ("https://other.test:8443/things", true),
        ("https://example.test/things", false),
        ("https://other.test/things", false),
        ("https://inner:8080/things", false),
        ("https://evil.test/things", false),
    ] {
        let mut request = request("DPoP", &token, &[&to(htu)]);
        for (name, value) in
            [("host", "inner:8080"), ("x-forwarded-host", "evil.test"), ("forwarded", "host=evil.test")]
        {
            request.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        assert_eq!(ask(&stack, request).await.status == 200, accepted, "{htu}");
    }
    // The authority of the request does not count either.
    let absolute =
        request_for("GET", "https://inner:8080/things", "DPoP", &token, &[&to("https://example.test/api/things")]);
    ask(&stack, absolute).await.assert_accepted();
}

#[tokio::test]
async fn with_bindings_ignored_a_proof_is_still_checked() {
    let tokens = strict().accept_bound_tokens_as_bearer().build().unwrap();
    let stack = stack_of(BearerLayer::new(tokens).dpop(Dpop::new(ORIGIN)));
    let token = token_of("es256");
    ask(&stack, request("Bearer", &token, &[])).await.assert_accepted();
    prove(&stack, &token, &Proof::of("es256", &token).sealed()).await.assert_accepted();
    prove(&stack, &token, &Proof::of("ed25519", &token).sealed()).await.assert_bad_binding("another key");
}

/// A proof is no second credential, also where another method reads the same header.
#[tokio::test]
async fn a_proof_belongs_to_its_token() {
    let keys = || ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).unwrap().bearer();
    let token = token_of("es256");
    for auth in [
        AuthLayer::first(layer()).reject_ambiguous(),
        AuthLayer::first(keys()).then(layer()).reject_ambiguous(),
        AuthLayer::first(layer()).then(keys()),
        AuthLayer::first(layer().cookie("token")).reject_ambiguous(),
    ] {
        let stack = stack_of(auth);
        prove(&stack, &token, &Proof::of("es256", &token).sealed()).await.assert_accepted();
        assert_eq!(prove(&stack, &token, &Proof::of("ed25519", &token).sealed()).await.status, 401);
    }
}
