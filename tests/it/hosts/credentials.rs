//! Who is admitted, and what everybody else receives: the same on every host.

use http::{HeaderMap, Method};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ErrorEnvelopeLayer, KeyScheme, MemoryKeyStore, RejectionKind as K,
};

use super::{Auth, CLAIM, Case, READER, Seen, UNKNOWN, WRITER, client::Answer, everywhere, serve::Mount};

/// Checks status and code, and that the refusal is one that a client can use and an operator can find.
fn assert_refused(case: &Case<'_>, answer: &Answer, status: u16, code: &str, kind: K) {
    assert_eq!(answer.told(), (status, code.to_owned()), "{case}");
    assert_eq!(answer.header("content-type"), ["application/json"], "{case}");
    assert_eq!(answer.header("content-length"), [answer.body.len().to_string()], "{case}");
    assert_eq!(answer.header("cache-control"), ["no-store"], "{case}");
    let challenges: &[&str] = if status == 401 { &[r#"ApiKey realm="api", Bearer realm="api""#] } else { &[] };
    assert_eq!(answer.header("www-authenticate"), challenges, "{case}");
    let id = answer.json()["error"]["trace_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-request-id"), [&*id], "{case}");
    let seen: Vec<_> = case.auth.decisions();
    let refusals: Vec<_> = seen.iter().filter(|seen| seen.kind.is_some()).collect();
    assert_eq!(refusals.len(), 1, "{case} {seen:?}");
    assert_eq!((refusals[0].kind, refusals[0].trace_id.as_deref()), (Some(kind), Some(&*id)), "{case}");
}

#[tokio::test]
async fn r002_missing_unknown_and_malformed_credentials() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for headers in [&[][..], &[("x-api-key", "")], &[("authorization", "Basic dXNlcjpwYXNz")]] {
            let answer = case.get("/v1/me", headers).await;
            assert_refused(case, &answer, 401, "AUTHENTICATION_REQUIRED", K::MissingCredential);
        }
        let bearer = format!("Bearer {UNKNOWN}");
        for headers in [("x-api-key", UNKNOWN), ("x-api-key", "short"), ("authorization", &*bearer)] {
            let answer = case.get("/v1/me", &[headers]).await;
            assert_refused(case, &answer, 401, "INVALID_API_KEY", K::InvalidKey);
        }
    })
    .await;
}

#[tokio::test]
async fn p02_p03_a_good_key_opens_over_every_body() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let bearer = format!("bEARER {READER}");
        for (headers, subject) in [
            (&[("x-api-key", READER)][..], "ann"),
            (&[("authorization", &bearer)], "ann"),
            (&[("x-api-key", WRITER), ("authorization", "Basic dXNlcjpwYXNz")], "bob"),
        ] {
            let answer = case.get("/v1/me", headers).await;
            assert_eq!(answer.told(), (200, subject.to_owned()), "{case}");
            let id = answer.header("x-request-id")[0].to_owned();
            assert_eq!(id.len(), 36, "{case}");
            let admitted =
                Seen { kind: None, layer: "gate", subject: Some(subject.to_owned()), peer: None, trace_id: Some(id) };
            let seen: Vec<_> = case.auth.decisions().into_iter().map(|seen| Seen { peer: None, ..seen }).collect();
            assert_eq!(seen, [admitted], "{case}");
        }
        let made = case.ask(Method::POST, "/v1/models", &[("x-api-key", WRITER)]).await;
        assert_eq!(made.told(), (200, "made".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r003_a_missing_scope_is_403() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let answer = case.ask(Method::POST, "/v1/models", &[("x-api-key", READER)]).await;
        assert_refused(case, &answer, 403, "INSUFFICIENT_PERMISSIONS", K::InsufficientPermissions);
        let details = answer.json()["error"]["details"].take();
        assert_eq!(details, serde_json::json!({ "required_permissions": ["write"] }), "{case}");
    })
    .await;
}

#[tokio::test]
async fn p14_a_dead_store_is_503() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        case.auth.store.fail();
        let answer = case.with_key("/v1/me", READER).await;
        case.auth.store.recover();
        assert_refused(case, &answer, 503, "SERVICE_UNAVAILABLE", K::Unavailable);
        assert_eq!(answer.header("retry-after"), ["1"], "{case}");
        assert!(!answer.text().contains("set to fail"), "{case}");
        assert_eq!(case.with_key("/v1/me", READER).await.told(), (200, "ann".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r009_a_repeated_credential_header_is_400() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let bearer = format!("Bearer {READER}");
        for (name, one, other) in [
            ("x-api-key", READER, READER),
            ("x-api-key", UNKNOWN, READER),
            ("x-api-key", "", READER),
            ("authorization", &*bearer, &*bearer),
            ("authorization", "Basic dXNlcjpwYXNz", &*bearer),
        ] {
            let asked = case.auth.store.asked();
            let answer = case.get("/v1/me", &[(name, one), (name, other)]).await;
            assert_refused(case, &answer, 400, "INVALID_REQUEST", K::MalformedRequest);
            assert_eq!(answer.json()["error"]["details"]["header"], name, "{case}");
            assert_eq!(case.auth.store.asked(), asked, "{case}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_credential_is_not_rescued_by_a_good_one() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let (good, bad) = (format!("Bearer {READER}"), format!("Bearer {UNKNOWN}"));
        let answer = case.get("/v1/me", &[("x-api-key", UNKNOWN), ("authorization", &good)]).await;
        assert_refused(case, &answer, 401, "INVALID_API_KEY", K::InvalidKey);
        // The source that was declared first decides, and it is good.
        let answer = case.get("/v1/me", &[("x-api-key", READER), ("authorization", &bad)]).await;
        assert_eq!(answer.told(), (200, "ann".to_owned()), "{case}");
        case.auth.decisions();
        let answer = case.get("/v1/me", &[("x-api-key", READER), ("authorization", "Bearer")]).await;
        assert_refused(case, &answer, 400, "INVALID_REQUEST", K::MalformedRequest);
    })
    .await;
}

#[tokio::test]
async fn r020_two_credentials_are_refused_where_configured() {
    let auth = Auth::with(AuthLayer::reject_ambiguous);
    everywhere(&auth, &auth.mount(), async |case| {
        let bearer = format!("Bearer {READER}");
        let asked = case.auth.store.asked();
        for key in [READER, WRITER, UNKNOWN] {
            let answer = case.get("/v1/me", &[("x-api-key", key), ("authorization", &bearer)]).await;
            assert_refused(case, &answer, 400, "INVALID_REQUEST", K::MalformedRequest);
        }
        assert_eq!(case.auth.store.asked(), asked, "{case}");
        for one in [
            &[("x-api-key", READER)][..],
            &[("authorization", &bearer)],
            &[("x-api-key", ""), ("authorization", &bearer)],
        ] {
            assert_eq!(case.get("/v1/me", one).await.told(), (200, "ann".to_owned()), "{case} {one:?}");
        }
    })
    .await;
}

/// All but what differs each time.
fn without_ids(headers: &HeaderMap) -> HeaderMap {
    let varying = ["x-request-id", "date"];
    let kept = headers.iter().filter(|(name, _)| !varying.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[tokio::test]
async fn r012_p66_head_is_get_without_a_body() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for (path, headers) in [
            ("/v1/me", &[][..]),
            ("/v1/me", &[("x-api-key", UNKNOWN)]),
            ("/v1/me", &[("x-api-key", READER), ("x-api-key", READER)]),
            ("/v1/me", &[("x-api-key", READER)]),
            ("/unknown", &[("x-api-key", READER)]),
            ("/health", &[]),
        ] {
            let get = case.get(path, headers).await;
            let head = case.ask(Method::HEAD, path, headers).await;
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{case} {path} {headers:?}");
            assert_eq!(without_ids(&head.headers), without_ids(&get.headers), "{case} {path} {headers:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r008_challenges_are_joined_whatever_a_client_says_of_the_host() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let headers = [("x-forwarded-host", "a\", evil=\"1"), ("forwarded", "host=\"a\\\" b\"")];
        let answer = case.get("/v1/me", &headers).await;
        assert_eq!(answer.header("www-authenticate"), [r#"ApiKey realm="api", Bearer realm="api""#], "{case}");
    })
    .await;
}

#[tokio::test]
async fn r007_nothing_breaks_out_of_a_challenge() {
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let keys = ApiKeyLayer::new(scheme, store).realm("the \"big\" \\ api\r\nx-evil: ü").bearer();
    let stack = AuthStack::builder().auth(keys).build().unwrap();
    everywhere(&Auth::new(), &Mount::new(stack), async |case| {
        let answer = case.get("/v1/me", &[]).await;
        let challenge = r#"Bearer realm="the \"big\" \\ api??x-evil: ?""#;
        assert_eq!(answer.header("www-authenticate"), [challenge], "{case}");
        assert!(answer.header("x-evil").is_empty(), "{case}");
    })
    .await;
}

#[tokio::test]
async fn p05_without_authentication_a_service_that_asks_for_the_caller_answers_500() {
    let auth = Auth::new();
    everywhere(&auth, &Mount::without_authentication(ErrorEnvelopeLayer::detailed()), async |case| {
        let answer = case.with_key("/v1/me", READER).await;
        assert_eq!(answer.told(), (500, "INTERNAL_ERROR".to_owned()), "{case}");
        assert!(answer.header("www-authenticate").is_empty(), "{case}");
        assert!(!answer.text().contains("authentication layer"), "{case}");
        assert_eq!(case.call("/inventory.v1.Stock/Look", &[("x-api-key", READER)]).await.grpc_status(), "13", "{case}");
        assert_eq!(case.with_key("/v1/hidden", READER).await.told(), (500, "INTERNAL_ERROR".to_owned()), "{case}");
        assert_eq!(case.get("/health", &[]).await.told(), (200, "nobody".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r015_responses_to_a_key_are_private() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let answer = case.with_key("/v1/me", READER).await;
        assert_eq!(answer.header("cache-control"), ["private"], "{case}");
        assert_eq!(answer.header("vary"), ["x-api-key"], "{case}");
    })
    .await;
}

#[tokio::test]
async fn r017_what_a_client_claims_never_reaches_the_service() {
    let auth = Auth::passing_preflights();
    everywhere(&auth, &auth.mount(), async |case| {
        let claim = (CLAIM, "root");
        let answer = case.get("/v1/me", &[claim, ("x-api-key", READER), claim]).await;
        assert_eq!(answer.told(), (200, "ann".to_owned()), "{case}");
        assert!(answer.header(CLAIM).is_empty(), "{case}");
        // Where nobody is asked, nobody is believed either.
        assert_eq!(case.get("/health", &[claim]).await.text(), "nobody", "{case}");
        let preflight = [claim, ("origin", "https://a.test"), ("access-control-request-method", "GET")];
        let answer = case.ask(Method::OPTIONS, "/v1/me", &preflight).await;
        assert_eq!(answer.told(), (200, "nobody".to_owned()), "{case}");
    })
    .await;
}

#[tokio::test]
async fn strip_takes_the_key_from_the_service_alone() {
    let auth = Auth::with(AuthLayer::strip_credentials);
    everywhere(&auth, &auth.mount(), async |case| {
        assert_eq!(case.with_key("/v1/me", READER).await.told(), (200, "ann".to_owned()), "{case}");
    })
    .await;
}
