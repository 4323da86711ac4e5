//! Tokens in a header of a proxy, or behind another scheme: what is read, and what a refusal says.

use http::{Request, Response};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, BearerLayer, ErrorEnvelopeLayer, Rejection, RequestExt as _, TokenVerifier, token::KeySet,
};

use super::{
    INVALID, MISSING, NOW, ask, hand,
    mint::{AUDIENCE, KIDS, claims, jwks, key},
    stack_of, strict,
};
use crate::support::{Body, get, ok, strict as service, text};

const HEADER: &str = "cf-access-jwt-assertion";
const OTHER: &str = r#"AccessToken realm="api""#;
const OTHER_INVALID: &str =
    r#"AccessToken realm="api", error="invalid_token", error_description="The access token is invalid""#;

fn layer() -> BearerLayer {
    BearerLayer::new(strict().build().unwrap())
}

fn token() -> String {
    key("es256").token(NOW)
}

#[tokio::test]
async fn a_header_replaces_authorization() {
    let stack = stack_of(layer().header("Cf-Access-Jwt-Assertion"));
    let (token, bearer) = (token(), format!("Bearer {}", token()));
    ask(&stack, get("/", &[(HEADER, &token)])).await.assert_accepted();
    ask(&stack, get("/", &[(HEADER, &format!("  {token} "))])).await.assert_accepted();
    ask(&stack, get("/", &[(HEADER, &token), ("authorization", "Bearer x.y.z")])).await.assert_accepted();
    for headers in [&[][..], &[("authorization", &*bearer)], &[(HEADER, "")], &[(HEADER, " \t")]] {
        ask(&stack, get("/", headers)).await.assert(401, "AUTHENTICATION_REQUIRED", &[OTHER]);
    }
    for wrong in ["x", "a.b.c", &bearer, &format!("{token}, {token}"), &format!("\"{token}\"")] {
        ask(&stack, get("/", &[(HEADER, wrong)])).await.assert(401, "TOKEN_INVALID", &[OTHER_INVALID]);
    }
    let twice = ask(&stack, get("/", &[(HEADER, &token), (HEADER, &token)])).await;
    twice.assert(400, "INVALID_REQUEST", &[]);
    assert_eq!(twice.body["error"]["details"]["header"], HEADER);
}

#[tokio::test]
async fn a_scheme_replaces_bearer() {
    let stack = stack_of(layer().auth_scheme("Token").realm("r"));
    for scheme in ["Token", "token", "TOKEN"] {
        let value = format!("{scheme} {}", token());
        ask(&stack, get("/", &[("authorization", &value)])).await.assert_accepted();
    }
    let bearer = format!("Bearer {}", token());
    let missing = ask(&stack, get("/", &[("authorization", &bearer)])).await;
    missing.assert(401, "AUTHENTICATION_REQUIRED", &[r#"Token realm="r""#]);
    let empty = ask(&stack, get("/", &[("authorization", "Token")])).await;
    let malformed =
        r#"Token realm="r", error="invalid_request", error_description="The Authorization header has no token""#;
    empty.assert(400, "INVALID_REQUEST", &[malformed]);
    let invalid = ask(&stack, get("/", &[("authorization", "Token a.b.c")])).await;
    let told = r#"Token realm="r", error="invalid_token", error_description="The access token is invalid""#;
    invalid.assert(401, "TOKEN_INVALID", &[told]);
}

/// A proxy's header and the cookie that the same proxy sets.
#[tokio::test]
async fn a_cookie_is_read_beside_a_header() {
    let stack = stack_of(layer().header(HEADER).cookie("CF_Authorization"));
    let cookie = format!("CF_Authorization={}", token());
    ask(&stack, get("/", &[("cookie", &cookie)])).await.assert_accepted();
    ask(&stack, get("/", &[(HEADER, &token())])).await.assert_accepted();
    ask(&stack, get("/", &[(HEADER, "a.b.c"), ("cookie", &cookie)])).await.assert(
        401,
        "TOKEN_INVALID",
        &[OTHER_INVALID],
    );
    let strict = stack_of(AuthLayer::from(layer().header(HEADER).cookie("CF_Authorization")).reject_ambiguous());
    ask(&strict, get("/", &[(HEADER, &token()), ("cookie", &cookie)])).await.assert(400, "INVALID_REQUEST", &[]);
    ask(&strict, get("/", &[(HEADER, &token()), ("cookie", "theme=dark")])).await.assert_accepted();
}

/// Several headers are several methods, and a 401 names all of them.
#[tokio::test]
async fn several_headers_are_several_layers() {
    let auth = AuthLayer::first(layer().header(HEADER)).then(layer());
    let sensitive: Vec<_> = auth.sensitive_headers().iter().map(ToString::to_string).collect();
    assert_eq!(sensitive[..2], [HEADER, "authorization"]);
    let stack = stack_of(auth);
    let bearer = format!("Bearer {}", token());
    ask(&stack, get("/", &[(HEADER, &token())])).await.assert_accepted();
    ask(&stack, get("/", &[("authorization", &bearer)])).await.assert_accepted();
    let both = format!("{OTHER}, {MISSING}");
    ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[&both]);
    let told = ask(&stack, get("/", &[(HEADER, "x"), ("authorization", &bearer)])).await;
    told.assert(401, "TOKEN_INVALID", &[&format!("{OTHER_INVALID}, {MISSING}")]);
}

#[tokio::test]
async fn the_header_is_marked_and_kept_out_of_shared_caches() {
    let seen = |strip: bool| {
        let auth = layer().header(HEADER);
        let auth = if strip { auth.strip_credentials() } else { auth.into() };
        let service = service(|request: Request<Body>| {
            let value = request.headers().get(HEADER).map(http::HeaderValue::is_sensitive);
            Response::new(Body::from(format!("{value:?}")))
        });
        let response = stack_of(auth).layer(service).oneshot(get("/", &[(HEADER, &token())]));
        async move {
            let response = response.await.unwrap();
            assert_eq!(response.headers()["cache-control"], "private");
            assert_eq!(response.headers()["vary"], HEADER);
            text(response).await
        }
    };
    assert_eq!(seen(false).await, "Some(true)");
    assert_eq!(seen(true).await, "None");
}

#[tokio::test]
async fn a_place_that_cannot_be_is_said_when_it_is_built() {
    let fault = |layer: BearerLayer| AuthStack::builder().auth(layer).build().unwrap_err().to_string();
    for (layer, expected) in [
        (layer().header("a b"), "\"a b\" is not a header name"),
        (layer().header(""), "\"\" is not a header name"),
        (layer().header("Cookie"), "BearerLayer::header was given Cookie"),
        (layer().header("sec-websocket-protocol"), "BearerLayer::header was given Sec-WebSocket-Protocol"),
        (layer().header("dpop"), "BearerLayer::header was given DPoP"),
        (layer().auth_scheme("DPoP"), "BearerLayer::auth_scheme was given DPoP"),
        (layer().auth_scheme("dpop"), "BearerLayer::auth_scheme was given DPoP"),
        (layer().header("x-a").header("x-b"), "two headers or schemes"),
        (layer().header("x-a").auth_scheme("Token"), "two headers or schemes"),
        (layer().auth_scheme("Token").header("x-a"), "two headers or schemes"),
        (layer().auth_scheme("a b"), "\"a b\" is not an authentication scheme"),
        (layer().auth_scheme(""), "\"\" is not an authentication scheme"),
    ] {
        let told = fault(layer.clone());
        assert!(told.contains(expected), "{told}");
        let response = layer.layer(ok()).oneshot(get("/", &[])).await.unwrap();
        assert_eq!(response.status(), 500, "{expected}");
    }
    assert!(AuthStack::builder().auth(layer().header("X-A").header("x-a")).build().is_ok(), "twice the same");
}

const APP: &str = "x-firebase-appcheck";
const APP_ISSUER: &str = "https://firebaseappcheck.test/1";

/// The recipe for two tokens that both are required: the app's outside, the user's inside.
#[tokio::test]
async fn two_layers_require_two_tokens() {
    let keys = KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap();
    let app = TokenVerifier::key_set(APP_ISSUER, keys).audience(AUDIENCE).build().unwrap();
    let stack = AuthStack::builder().auth(layer()).clock(&hand()).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(ErrorEnvelopeLayer::detailed())
        .layer(AuthLayer::from(BearerLayer::new(app).header("X-Firebase-AppCheck")).clock(&hand()))
        .layer(stack.guards())
        .service(service(|request: Request<Body>| {
            Response::new(Body::from(request.principal().unwrap().subject().to_owned()))
        }));
    let key = key("es256");
    let app = key.seal(key.header(), claims(NOW).text("iss", APP_ISSUER).text("sub", "the app"));
    let user = format!("Bearer {}", key.seal(key.header(), claims(NOW).text("sub", "ann")));
    let of_user = format!("Bearer {app}");
    for (headers, expected) in [
        (&[(APP, &*app), ("authorization", &*user)][..], Ok("ann")),
        (&[("authorization", &user)], Err((401, OTHER))),
        (&[(APP, &app)], Err((401, MISSING))),
        (&[], Err((401, OTHER))),
        (&[(APP, &app[1..]), ("authorization", &user)], Err((401, OTHER_INVALID))),
        (&[(APP, &app), ("authorization", "Bearer a.b.c")], Err((401, INVALID))),
        // Neither token is good in the place of the other.
        (&[(APP, &user[7..]), ("authorization", &user)], Err((401, OTHER_INVALID))),
        (&[(APP, &app), ("authorization", &of_user)], Err((401, INVALID))),
    ] {
        let response = service.clone().oneshot(get("/", headers)).await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            assert_eq!(Ok(&*text(response).await), expected);
            continue;
        }
        assert!(Rejection::of(&response).is_some());
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(Err((status, &*challenge)), expected, "{headers:?}");
        assert!(text(response).await.contains("\"code\""), "the envelope renders it");
    }
}
