//! The table of rules on every host: public routes, unknown paths, paths that can be read in two ways.

use http::Method;

use super::{Auth, READER, UNKNOWN, WRITER, client::Answer, everywhere, serve::Host};

fn is(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn p06_a_public_route_asks_nobody_and_opens_nothing_else() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let asked = case.auth.store.asked();
        // Whatever is presented, good, bad or twice, nobody looks.
        for headers in [
            &[][..],
            &[("x-api-key", READER)],
            &[("x-api-key", UNKNOWN)],
            &[("x-api-key", "a"), ("x-api-key", "b")],
            &[("authorization", "Bearer")],
        ] {
            assert_eq!(case.get("/health", headers).await.told(), is(200, "nobody"), "{case} {headers:?}");
        }
        assert_eq!(case.ask(Method::HEAD, "/health", &[]).await.status, 200, "{case}");
        assert_eq!(case.auth.store.asked(), asked, "{case}");
        for path in ["/healthz", "/health-admin", "/health/", "/health/admin", "/Health", "/"] {
            assert_eq!(case.get(path, &[]).await.told(), is(401, "AUTHENTICATION_REQUIRED"), "{case} {path}");
        }
        let posted = case.ask(Method::POST, "/health", &[]).await;
        assert_eq!(posted.told(), is(401, "AUTHENTICATION_REQUIRED"), "{case}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_path_tells_a_stranger_nothing() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for path in ["/unknown", "/v2/me", "/v1me", "/inventory.v1.Stock", "/inventory.v2.Stock/Look", "/?v1/me"] {
            let stranger = case.get(path, &[]).await;
            assert_eq!(stranger.told(), is(401, "AUTHENTICATION_REQUIRED"), "{case} {path}");
            assert_eq!(case.with_key(path, UNKNOWN).await.told(), is(401, "INVALID_API_KEY"), "{case} {path}");
            assert_eq!(case.with_key(path, READER).await.told(), is(404, "NOT_FOUND"), "{case} {path}");
            let call = case.call(path, &[]).await;
            assert_eq!(call.grpc_status(), "16", "{case} {path}");
            let call = case.call(path, &[("x-api-key", WRITER)]).await;
            assert_eq!(call.grpc_status(), "12", "{case} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn r018_paths_that_can_be_read_in_two_ways_are_refused() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for path in [
            "//v1/me",
            "/v1//me",
            "/v1/./me",
            "/v1/x/../me",
            "/health/../v1/me",
            "/v1/../health",
            "/v1%2Fme",
            "/v1/%6de",
            "/v1/%6De",
            "/v1/me%00",
            "/v1/me%0d%0a",
            "/v1/%2e%2e/me",
            "/v1/%252e%252e/me",
            "/v1/me%5c",
            "/v1/me%",
            "/v1/me%zz",
            "/%68ealth",
        ] {
            assert_eq!(case.get(path, &[]).await.told(), is(401, "AUTHENTICATION_REQUIRED"), "{case} {path}");
            let known = case.with_key(path, WRITER).await;
            assert_eq!(known.told(), is(400, "INVALID_REQUEST"), "{case} {path}");
            assert!(known.json()["error"]["details"]["path"].is_string(), "{case} {path}");
            assert_eq!(case.call(path, &[("x-api-key", WRITER)]).await.grpc_status(), "3", "{case} {path}");
            assert_eq!(case.call(path, &[]).await.grpc_status(), "16", "{case} {path}");
        }
        // What cannot be read in two ways, is not.
        assert_eq!(case.with_key("/v1/me?a=%2F..//", READER).await.told(), is(200, "ann"), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r165_errors_of_the_router_are_in_the_envelope() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        // tonic responds with a gRPC status to a path that none of its services has.
        let (status, text) = if case.host == Host::Tonic { (200, "") } else { (404, "NOT_FOUND") };
        let nothing_there = case.with_key("/v1/things/1", READER).await;
        assert_eq!(nothing_there.told(), is(status, text), "{case}");
        assert_eq!(nothing_there.grpc_status(), if status == 200 { "12" } else { "none" }, "{case}");
    })
    .await;
}

#[tokio::test]
async fn r166_p66_a_wrong_method_is_405_and_keeps_allow() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let answer = case.ask(Method::DELETE, "/v1/me", &[("x-api-key", READER)]).await;
        assert_eq!(answer.told(), is(405, "METHOD_NOT_ALLOWED"), "{case}");
        assert!(answer.header("allow")[0].contains("GET"), "{case}");
        let stranger = case.ask(Method::DELETE, "/v1/me", &[]).await;
        assert_eq!(stranger.told(), is(401, "AUTHENTICATION_REQUIRED"), "{case}");
        // axum says which methods a path has outside of everything that `Router::layer` mounts.
        assert_eq!(stranger.header("allow").is_empty(), case.host != Host::Axum, "{case}");
    })
    .await;
}

/// The head and the body with all that differs each time taken out; headers in their order.
fn anonymous(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let varying = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let mut body = answer.json();
    body["error"]["trace_id"].take();
    body["error"]["timestamp"].take();
    (answer.status.as_u16(), headers, body.to_string())
}

#[tokio::test]
async fn r014_a_hidden_path_looks_like_one_that_does_not_exist() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let hidden = case.with_key("/v1/hidden", READER).await;
        assert_eq!(hidden.told(), is(404, "NOT_FOUND"), "{case}");
        if case.host != Host::Tonic {
            let nothing_there = case.with_key("/v1/nothing", READER).await;
            assert_eq!(anonymous(&hidden), anonymous(&nothing_there), "{case}");
        }
    })
    .await;
}

#[tokio::test]
async fn r014_a_hidden_path_looks_like_one_that_no_rule_means() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let hidden = case.with_key("/v1/hidden", READER).await;
        let unknown = case.with_key("/unknown", READER).await;
        assert_eq!(anonymous(&hidden), anonymous(&unknown), "{case}");
    })
    .await;
}
