//! The challenges of a 401 and 403: which scopes they name, and where the metadata are.

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthMethod, AuthOutcome, AuthStack, Authenticator, Dpop, KeyRecord,
    Permission as _, Principal, RequestHead, RequireLayer, Rules,
    permission::{Denial, Verdict, acr, any_scope, from_fn, role, scope},
    token::Algorithm,
};

use super::{METADATA, ask, bearer, token, told, with_token};
use crate::{
    support::{KEY, get, ok, store},
    tokens::hand,
};

fn rules() -> Rules {
    Rules::new()
        .public("GET /health")
        .require("GET /notes", scope("notes:read"))
        .require("POST /notes", scope("notes:read").and(any_scope(["notes:write", "admin"])))
        .require("GET /admin", role("admin"))
        .require("GET /pay", scope("pay").and(acr(["urn:mfa"])))
}

fn stack_of(auth: impl Into<AuthLayer>, rules: Rules) -> AuthStack {
    AuthStack::builder().auth(auth).rules(rules).require(scope("api")).clock(&hand()).build().unwrap()
}

fn scoped(scopes: &str) -> String {
    format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\", {METADATA}")
}

#[tokio::test]
async fn a_403_names_all_scopes_of_the_operation_and_the_metadata() {
    let stack = stack_of(bearer(), rules());
    assert_eq!(told(&with_token(&stack, "/notes", "notes:read api").await), (200, ""));
    // Of the rule, and of what the stack requires of every request.
    assert_eq!(told(&with_token(&stack, "/notes", "").await), (403, &*scoped("notes:read api")));
    assert_eq!(told(&with_token(&stack, "/notes", "notes:read").await), (403, &*scoped("api notes:read")));
    let mut post = get("/notes", &[("authorization", &token("notes:read api"))]);
    *post.method_mut() = http::Method::POST;
    assert_eq!(told(&ask(&stack, post).await), (403, &*scoped("notes:read notes:write api")));
    // A role is nothing that a client could ask for.
    let bare = format!("Bearer error=\"insufficient_scope\", {METADATA}");
    assert_eq!(told(&with_token(&stack, "/admin", "api").await), (403, &*bare));
}

#[tokio::test]
async fn a_step_up_names_the_login_the_scopes_and_the_metadata() {
    let stack = stack_of(bearer(), rules());
    let expected = format!(
        "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa\", scope=\"pay api\", {METADATA}"
    );
    assert_eq!(told(&with_token(&stack, "/pay", "pay api").await), (401, &*expected));
    let response = with_token(&stack, "/pay", "pay api").await;
    let body = crate::support::json(response).await;
    assert_eq!(body["error"]["code"], "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(body["error"]["details"], serde_json::json!({"acr_values": ["urn:mfa"]}));
}

/// Without a choice, a caller without a token learns of no route.
#[tokio::test]
async fn a_401_names_the_scopes_of_the_route_only_by_choice() {
    let plain = format!("Bearer realm=\"api\", {METADATA}");
    let quiet = stack_of(bearer(), rules());
    for path in ["/notes", "/pay", "/nowhere"] {
        assert_eq!(told(&ask(&quiet, get(path, &[])).await), (401, &*plain));
    }
    let open = stack_of(bearer(), rules().challenge_scopes());
    for (path, scopes) in [("/notes", "notes:read api"), ("/pay", "pay api"), ("/nowhere", "api"), ("/admin", "api")] {
        let missing = format!("{plain}, scope=\"{scopes}\"");
        assert_eq!(told(&ask(&open, get(path, &[])).await), (401, &*missing), "{path}");
        let invalid = format!(
            "{plain}, error=\"invalid_token\", error_description=\"The access token is invalid\", scope=\"{scopes}\""
        );
        let bad = ask(&open, get(path, &[("authorization", "Bearer a.b.c")])).await;
        assert_eq!(told(&bad), (401, &*invalid), "{path}");
    }
    let reported = stack_of(bearer(), rules().challenge_scopes().report_only());
    assert_eq!(told(&ask(&reported, get("/notes", &[])).await).1, format!("{plain}, scope=\"api\""));
}

#[tokio::test]
async fn scopes_of_the_layer_are_in_every_challenge_of_it() {
    let begin = bearer().challenge_scopes(["notes:read", "profile"]);
    let plain = format!("Bearer realm=\"api\", {METADATA}, scope=\"notes:read profile\"");
    let stack = stack_of(begin.clone(), rules());
    assert_eq!(told(&ask(&stack, get("/pay", &[])).await), (401, &*plain));
    let bad = ask(&stack, get("/pay", &[("authorization", "Bearer a.b.c")])).await;
    let error = "error=\"invalid_token\", error_description=\"The access token is invalid\"";
    assert_eq!(told(&bad).1, format!("{plain}, {error}"));
    // Those of the route are added, each once.
    let both = stack_of(begin, rules().challenge_scopes());
    let united = plain.replace("notes:read profile", "notes:read profile api");
    assert_eq!(told(&ask(&both, get("/notes", &[])).await), (401, &*united));
    assert_eq!(told(&with_token(&both, "/notes", "").await).1, scoped("notes:read api"), "a 403 names what is needed");
}

/// Other methods keep their challenges, and a key is offered no scope.
#[tokio::test]
async fn beside_keys_only_the_challenge_for_tokens_has_scopes() {
    let (scheme, keys) = store(KeyRecord::new("k1", "acme").scopes(["api"]));
    let auth = AuthLayer::first(ApiKeyLayer::new(scheme, keys)).then(bearer());
    let stack = stack_of(auth, rules().challenge_scopes());
    let missing = ask(&stack, get("/notes", &[])).await;
    let expected = format!("ApiKey realm=\"api\", Bearer realm=\"api\", {METADATA}, scope=\"notes:read api\"");
    assert_eq!(told(&missing), (401, &*expected));
    let wrong = KEY.replace('1', "2");
    assert_eq!(told(&ask(&stack, get("/notes", &[("x-api-key", &wrong)])).await), (401, &*expected));
    assert_eq!(told(&ask(&stack, get("/notes", &[("x-api-key", KEY)])).await), (403, ""));
    assert_eq!(told(&ask(&stack, get("/pay", &[("x-api-key", KEY)])).await), (403, ""));
}

/// `Bearer` would say that the token belongs in `Authorization`.
#[tokio::test]
async fn tokens_in_another_place_are_asked_for_in_its_scheme() {
    let bare = token("api").replace("Bearer ", "");
    let behind = format!("Token {bare}");
    for (layer, scheme, header) in [
        (bearer().header("X-Jwt"), "AccessToken", ("x-jwt", &bare)),
        (bearer().header("X-Jwt").dpop(Dpop::new("https://api.example.com")), "AccessToken", ("x-jwt", &bare)),
        (bearer().auth_scheme("Token"), "Token", ("authorization", &behind)),
    ] {
        let stack = stack_of(layer, rules().challenge_scopes());
        let missing = ask(&stack, get("/notes", &[])).await;
        let expected = format!("{scheme} realm=\"api\", {METADATA}, scope=\"notes:read api\"");
        assert!(told(&missing).0 == 401 && told(&missing).1.starts_with(&expected), "{:?}", told(&missing));
        let refused = ask(&stack, get("/notes", &[(header.0, header.1)])).await;
        let expected = scoped("notes:read api").replace("Bearer", scheme);
        assert_eq!(told(&refused), (403, &*expected));
        let weak = token("pay api").replace("Bearer ", if scheme == "Token" { "Token " } else { "" });
        let refused = ask(&stack, get("/pay", &[(header.0, &weak)])).await;
        let start = format!("{scheme} error=\"insufficient_user_authentication\"");
        assert!(told(&refused).1.starts_with(&start), "{:?}", told(&refused));
    }
}

/// Layers that are mounted apart: the one that knows the tokens completes the challenge of the other.
#[tokio::test]
async fn layers_by_themselves_say_the_same() {
    let service = AuthLayer::from(bearer()).clock(&hand()).layer(RequireLayer::scope("write").layer(ok()));
    let request = get("/", &[("authorization", &token("read"))]);
    assert_eq!(told(&service.oneshot(request).await.unwrap()), (403, &*scoped("write")));
}

#[tokio::test]
async fn a_policy_of_ones_own_may_decide_by_the_request() {
    let own = from_fn(|_, request| {
        let needed = request.path().trim_start_matches('/').to_owned();
        Verdict::Denied(Denial::new().scopes([needed, "notes:read".to_owned()]))
    });
    let stack = AuthStack::builder().auth(bearer()).require(own).clock(&hand()).build().unwrap();
    let response = with_token(&stack, "/notes:delete", "").await;
    assert_eq!(told(&response), (403, &*scoped("notes:delete notes:read")));
    let body = crate::support::json(response).await;
    assert_eq!(body["error"]["details"]["required_permissions"], serde_json::json!(["notes:delete", "notes:read"]));
}

/// A method that takes tokens with a proof (RFC 9449), alone or beside plain ones.
#[derive(Clone)]
struct Proven(&'static str);

impl Authenticator for Proven {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let presented = request.headers().contains_key("authorization");
        let alice = || Principal::builder("alice").method(AuthMethod::Token).build();
        AuthFuture::ready(if presented { AuthOutcome::Authenticated(alice()) } else { AuthOutcome::NoCredential })
    }

    fn challenge(&self) -> &str {
        self.0
    }
}

#[tokio::test]
async fn the_challenge_has_the_scheme_of_the_request() {
    let both = r#"Bearer realm="api", resource_metadata="https://a.test/m", DPoP algs="ES256""#;
    for (offer, request, scheme) in [
        (both, "Bearer x", "Bearer"),
        (both, "DPoP x", "DPoP"),
        (both, "dpop x", "DPoP"),
        (r#"DPoP algs="ES256", resource_metadata="https://a.test/m""#, "Other x", "DPoP"),
        (r#"Bearer resource_metadata="https://a.test/m""#, "DPoP x", "Bearer"),
    ] {
        let stack = AuthStack::builder().auth(Proven(offer)).require(scope("write")).build().unwrap();
        let response = ask(&stack, get("/", &[("authorization", request)])).await;
        let expected =
            format!("{scheme} error=\"insufficient_scope\", scope=\"write\", resource_metadata=\"https://a.test/m\"");
        assert_eq!(told(&response), (403, &*expected), "{request}");
    }
}

/// A layer that takes proofs offers both schemes, and each says where the metadata are and which scopes to ask for.
#[tokio::test]
async fn both_schemes_of_a_layer_have_the_scopes() {
    let auth = bearer().dpop(Dpop::new("https://api.example.com").algorithms([Algorithm::Es256]));
    let of = |scheme: &str, scopes: &str, behind: &str| {
        format!("{scheme} realm=\"api\", {METADATA}, scope=\"{scopes}\"{behind}")
    };
    let stack = stack_of(auth.clone().challenge_scopes(["begin"]), rules());
    let expected = format!("{}, {}", of("Bearer", "begin", ""), of("DPoP", "begin", ", algs=\"ES256\""));
    assert_eq!(told(&ask(&stack, get("/notes", &[])).await), (401, &*expected));
    let stack = stack_of(auth.challenge_scopes(["begin"]), rules().challenge_scopes());
    let united = expected.replace("\"begin\"", "\"begin notes:read api\"");
    assert_eq!(told(&ask(&stack, get("/notes", &[])).await), (401, &*united));
    assert_eq!(told(&with_token(&stack, "/notes", "").await), (403, &*scoped("notes:read api")));
}
