//! CORS on every host: outside of the stack as documented, and further in with preflights let through.

use http::{HeaderName, HeaderValue, Method, header};
use tower_auth::AuthLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{Auth, READER, UNKNOWN, everywhere};

const ORIGIN: &str = "https://app.test";
const PREFLIGHT: [(&str, &str); 3] =
    [("origin", ORIGIN), ("access-control-request-method", "GET"), ("access-control-request-headers", "x-api-key")];

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list([HeaderValue::from_static(ORIGIN)]))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([HeaderName::from_static("x-api-key"), header::AUTHORIZATION])
}

#[tokio::test]
async fn p08_refusals_carry_the_headers_of_cors() {
    let auth = Auth::new();
    let mut mount = auth.mount();
    mount.cors_outside = Some(cors().expose_headers([HeaderName::from_static("x-request-id")]));
    everywhere(&auth, &mount, async |case| {
        let post = case.ask(Method::POST, "/v1/models", &[("origin", ORIGIN), ("x-api-key", READER)]).await;
        let answers = [
            (case.get("/v1/me", &[("origin", ORIGIN)]).await, 401),
            (case.get("/v1/me", &[("origin", ORIGIN), ("x-api-key", UNKNOWN)]).await, 401),
            (case.get("/v1/me", &[("origin", ORIGIN), ("x-api-key", "a"), ("x-api-key", "a")]).await, 400),
            (post, 403),
            (case.get("/unknown", &[("origin", ORIGIN), ("x-api-key", READER)]).await, 404),
            (case.get("/v1/me", &[("origin", ORIGIN), ("x-api-key", READER)]).await, 200),
        ];
        for (answer, status) in answers {
            assert_eq!(answer.status, status, "{case}");
            assert_eq!(answer.header("access-control-allow-origin"), [ORIGIN], "{case} {status}");
            assert_eq!(answer.header("access-control-expose-headers"), ["x-request-id"], "{case} {status}");
            let vary = answer.header("vary").join(", ");
            assert!(vary.contains("origin"), "{case} {status} {vary}");
            // Only where an identity was looked for does the answer depend on the key.
            assert_eq!(vary.contains("x-api-key"), matches!(status, 200 | 403 | 404), "{case} {status} {vary}");
        }
    })
    .await;
}

#[tokio::test]
async fn r016_p07_an_outer_cors_layer_answers_preflights_and_nobody_is_asked() {
    let auth = Auth::new();
    let mut mount = auth.mount();
    mount.cors_outside = Some(cors());
    everywhere(&auth, &mount, async |case| {
        let asked = case.auth.store.asked();
        let answer = case.ask(Method::OPTIONS, "/v1/me", &PREFLIGHT).await;
        assert_eq!(answer.status, 200, "{case}");
        assert_eq!(answer.header("access-control-allow-headers"), ["x-api-key,authorization"], "{case}");
        assert!(case.auth.decisions().is_empty(), "{case}");
        assert_eq!(case.auth.store.asked(), asked, "{case}");
    })
    .await;
}

#[tokio::test]
async fn r016_p07_a_preflight_passes_only_where_configured() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let answer = case.ask(Method::OPTIONS, "/v1/me", &PREFLIGHT).await;
        assert_eq!(answer.told(), (401, "AUTHENTICATION_REQUIRED".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r016_p07_a_preflight_never_has_an_identity() {
    let auth = Auth::passing_preflights();
    everywhere(&auth, &auth.mount(), async |case| {
        let asked = case.auth.store.asked();
        // Browsers send no key along; a key that comes anyway is not looked up.
        for key in [&[][..], &[("x-api-key", READER)], &[("x-api-key", UNKNOWN)], &[("authorization", "Bearer")]] {
            let answer = case.ask(Method::OPTIONS, "/v1/me", &[&PREFLIGHT[..], key].concat()).await;
            assert_eq!(answer.told(), (200, "nobody".to_owned()), "{case} {key:?}");
        }
        assert_eq!(case.auth.store.asked(), asked, "{case}");
        assert!(case.auth.decisions().iter().all(|seen| seen.kind.is_none() && seen.subject.is_none()), "{case}");

        // Every other OPTIONS, and every other method, is a request like any.
        let (origin, method) = (PREFLIGHT[0], PREFLIGHT[1]);
        for (verb, headers) in [
            (Method::OPTIONS, &[][..]),
            (Method::OPTIONS, &[origin]),
            (Method::OPTIONS, &[method]),
            (Method::GET, &PREFLIGHT),
            (Method::POST, &PREFLIGHT),
        ] {
            let answer = case.ask(verb.clone(), "/v1/me", headers).await;
            assert_eq!(answer.told(), (401, "AUTHENTICATION_REQUIRED".to_owned()), "{case} {verb} {headers:?}");
        }
        let answer = case.ask(Method::OPTIONS, "/v1/me", &[("x-api-key", READER)]).await;
        assert_eq!(answer.told(), (404, "NOT_FOUND".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r016_p07_a_preflight_reaches_a_cors_layer_further_in() {
    let auth = Auth::passing_preflights();
    let mut mount = auth.mount();
    mount.cors_inside = Some(cors());
    everywhere(&auth, &mount, async |case| {
        let answer = case.ask(Method::OPTIONS, "/v1/me", &PREFLIGHT).await;
        assert_eq!(answer.status, 200, "{case}");
        assert_eq!(answer.header("access-control-allow-origin"), [ORIGIN], "{case}");
        assert_eq!(answer.header("access-control-allow-methods"), ["GET,POST"], "{case}");
        assert_eq!(case.get("/v1/me", &PREFLIGHT).await.status, 401, "{case}");
    })
    .await;
}

/// A rule for any method is one for OPTIONS too.
#[tokio::test]
async fn p71_a_preflight_does_not_pass_a_rule_for_any_method() {
    let auth = Auth::with(AuthLayer::allow_preflight);
    everywhere(&auth, &auth.mount(), async |case| {
        for path in ["/v1/me", "/v1/models", "/v1/other", "/inventory.v1.Stock/Reserve", "/unknown"] {
            let answer = case.ask(Method::OPTIONS, path, &PREFLIGHT).await;
            assert_eq!(answer.told(), (401, "AUTHENTICATION_REQUIRED".to_owned()), "{case} {path}");
        }
        let answer = case.ask(Method::OPTIONS, "/grpc.health.v1.Health/Check", &PREFLIGHT).await;
        assert_ne!(answer.status, 401, "{case}: public");
        let answer = case.ask(Method::OPTIONS, "/v1/me", &[("x-api-key", READER)]).await;
        assert_eq!(answer.told(), (200, "ann".to_owned()), "{case}");
    })
    .await;
}
