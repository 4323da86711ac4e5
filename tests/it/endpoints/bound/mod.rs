//! Tokens that the endpoints bind to a key of the client (`DPoP`, RFC 9449, sections 5 to 8): rule 076.

mod hostile;
mod nonces;
mod refreshed;
mod used;

use std::sync::atomic::{AtomicU64, Ordering};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthEndpoints, AuthStack, Dpop, RequestHead, endpoints::WellKnown, session::IssuedTokens};

use super::{
    Body, Desk, FORM, Grant, Principal, Request, SECONDS, TokenRequest, Told, Value, ask, bare, claims, error, foreign,
    json, post, refresh_token, told,
};
use crate::{
    dpop::{ORIGIN, Proof, jkt, jwk, sha256},
    support::ok,
    tokens::mint::{Object, key},
};

const GRANT: (&str, &str) = ("grant_type", "refresh_token");

/// A good proof for a `POST` to an endpoint. Each has an id of its own.
fn proof(client: &'static str, path: &str) -> Proof {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let claims = Object::default()
        .text("jti", &format!("request-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
        .text("htm", "POST")
        .text("htu", &format!("{ORIGIN}{path}"))
        .raw("iat", SECONDS);
    Proof { claims, ..Proof::of(client, "") }
}

fn sealed(client: &'static str, path: &str) -> String {
    proof(client, path).sealed()
}

impl Desk {
    /// The endpoints check proofs.
    fn proving(dpop: Dpop) -> Self {
        let desk = Self::new();
        Self { endpoints: desk.endpoints.clone().dpop(dpop), ..desk }
    }

    fn bound() -> Self {
        Self::proving(Dpop::new(ORIGIN))
    }

    /// A session of alice in a browser, bound to the key of this client.
    async fn bound_session(&self, client: &'static str) -> IssuedTokens {
        let grant = Grant::of(&Principal::builder("alice").scopes(["read", "write"]).build()).client("web-app");
        self.sessions.begin(grant, &TokenRequest::new().proof_key(jkt(key(client)))).await.unwrap()
    }

    async fn refresh_by_form(&self, token: &str, proof: Option<&str>) -> Told {
        let headers: Vec<_> = proof.into_iter().map(|proof| ("dpop", proof)).collect();
        self.form("/token", &headers, &[GRANT, ("refresh_token", token)]).await
    }

    async fn refresh_by_json(&self, token: &str, proof: Option<&str>) -> Told {
        let headers: Vec<_> = proof.into_iter().map(|proof| ("dpop", proof)).collect();
        self.json("/refresh", &headers, &json!({ "refresh_token": token })).await
    }
}

fn assert_bound(told: &Told, client: &str) {
    assert_eq!((told.status, told.text("token_type")), (200, "DPoP".to_owned()), "{told:?}");
    assert_eq!(claims(&told.text("access_token"))["cnf"], json!({ "jkt": jkt(key(client)) }));
}

fn assert_free(told: &Told) {
    assert_eq!((told.status, told.text("token_type")), (200, "Bearer".to_owned()), "{told:?}");
    assert_eq!(claims(&told.text("access_token"))["cnf"], Value::Null);
}

#[tokio::test]
async fn r076_every_grant_binds_its_token_to_the_key_of_the_proof() {
    let desk = Desk::bound();
    let api_key = desk.key.expose();
    let credentials = [("grant_type", "client_credentials"), ("client_secret", api_key)];
    let subject = foreign("ci");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    for client in crate::dpop::CLIENTS {
        let sealed = || sealed(client, "/token");
        let told = ask(&desk.endpoints, bare("/token", &[("x-api-key", api_key), ("dpop", &sealed())])).await;
        assert_bound(&told, client);
        for grant in [&credentials[..], &exchange] {
            assert_bound(&desk.form("/token", &[("dpop", &sealed())], grant).await, client);
        }
        let next = desk.refresh_by_form(&told.text("refresh_token"), Some(&sealed())).await;
        assert_bound(&next, client);
        let proof = proof(client, "/refresh").sealed();
        assert_bound(&desk.refresh_by_json(&next.text("refresh_token"), Some(&proof)).await, client);
    }
    // Without a proof, everything is as it was.
    assert_free(&ask(&desk.endpoints, bare("/token", &desk.key())).await);
    for grant in [&credentials[..], &exchange] {
        assert_free(&desk.form("/token", &[], grant).await);
        assert_free(&desk.form("/token", &[("dpop", "")], grant).await);
    }
    // Endpoints that check no proofs bind nothing.
    let plain = Desk::new();
    let told = ask(&plain.endpoints, bare("/token", &[("x-api-key", plain.key.expose()), ("dpop", "anything")])).await;
    assert_free(&told);
}

/// A token from the endpoint at the layer that the endpoints make.
#[tokio::test]
async fn r076_the_token_opens_a_route_with_a_proof_only() {
    let desk = Desk::bound();
    let stack = AuthStack::builder().auth(desk.endpoints.bearer().unwrap()).clock(&desk.hand).build().unwrap();
    let issued =
        ask(&desk.endpoints, bare("/token", &[("x-api-key", desk.key.expose()), ("dpop", &sealed("es256", "/token"))]));
    let token = issued.await.text("access_token");
    let free = ask(&desk.endpoints, bare("/token", &desk.key())).await.text("access_token");
    let call = async |scheme: &str, token: &str, proof: Option<Proof>| {
        let request = Request::get("/things").header("authorization", format!("{scheme} {token}"));
        let request = match proof {
            Some(proof) => request.header("dpop", proof.sealed()),
            None => request,
        };
        stack.layer(ok()).oneshot(request.body(Body::default()).unwrap()).await.unwrap().status().as_u16()
    };
    for (scheme, token, proof, expected) in [
        ("DPoP", &token, Some(Proof::of("es256", &token)), 200),
        ("Bearer", &token, None, 401),
        ("Bearer", &token, Some(Proof::of("es256", &token)), 401),
        ("DPoP", &token, None, 401),
        ("DPoP", &token, Some(Proof::of("ed25519", &token)), 401),
        ("DPoP", &token, Some(proof("es256", "/things")), 401),
        ("Bearer", &free, None, 200),
        ("DPoP", &free, Some(Proof::of("es256", &free)), 401),
    ] {
        assert_eq!(call(scheme, token, proof.clone()).await, expected, "{scheme} {}", proof.is_some());
    }
    // A log-out counts for a bound token too.
    assert_eq!(desk.form("/revoke", &desk.key(), &[("token", &token)]).await.status, 200);
    assert_eq!(call("DPoP", &token, Some(Proof::of("es256", &token))).await, 401);
}

#[tokio::test]
async fn r076_introspection_says_that_a_token_is_bound() {
    let desk = Desk::bound();
    let session = desk.bound_session("es256").await;
    let cnf = json!({ "jkt": jkt(key("es256")) });
    let access = session.access_token.expose();
    let body = desk.form("/introspect", &desk.key(), &[("token", access)]).await.json();
    assert_eq!((&body["active"], &body["token_type"], &body["cnf"]), (&json!(true), &json!("DPoP"), &cnf));
    let hint = ("token_type_hint", "refresh_token");
    let body = desk.form("/introspect", &desk.key(), &[("token", refresh_token(&session)), hint]).await.json();
    assert_eq!((&body["active"], &body["token_type"], &body["cnf"]), (&json!(true), &Value::Null, &cnf));
    // Whoever has a token may only make it useless: no proof is asked for.
    assert_eq!(desk.form("/revoke", &[], &[("token", access)]).await.status, 200);
    assert!(!desk.is_active(access).await && desk.is_active(refresh_token(&session)).await);
    let told = desk.json("/logout", &[], &json!({ "refresh_token": refresh_token(&session) })).await;
    assert_eq!(told.status, 200);
    assert!(!desk.is_active(refresh_token(&session)).await);
    let session = desk.bound_session("es256").await;
    assert!(desk.sessions.log_out_by_access_token(session.access_token.expose()).await.unwrap());
    assert!(!desk.is_active(refresh_token(&session)).await);
}

#[tokio::test]
async fn r076_a_handler_that_signs_people_in_binds_the_session() {
    let desk = Desk::bound();
    let request = |proof: &str| Request::post("/sign-in").header("dpop", proof).body(()).unwrap();
    let (good, stale) = (proof("es256", "/sign-in"), proof("es256", "/sign-in").claim(|c| c.raw("iat", SECONDS - 900)));
    let refused = desk.endpoints.token_request(&RequestHead::from(&request(&stale.sealed()))).unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (400, Some("INVALID_DPOP_PROOF")));
    let sign_in = async || {
        let asked = desk.endpoints.token_request(&RequestHead::from(&request(&good.sealed()))).unwrap();
        desk.sessions.begin(Grant::of(&Principal::builder("alice").build()), &asked).await
    };
    let tokens = sign_in().await.unwrap();
    assert_eq!(tokens.proof_key.as_deref(), Some(&*jkt(key("es256"))));
    assert_eq!(tokens.to_json()["token_type"], "DPoP");
    let again = tower_auth::Rejection::from(sign_in().await.unwrap_err());
    assert_eq!((again.status().as_u16(), again.code()), (400, Some("INVALID_DPOP_PROOF")), "it was used");
    assert_eq!(desk.refresh_by_form(refresh_token(&tokens), None).await.error(), error(400, "invalid_grant"));
    let none = desk.endpoints.token_request(&RequestHead::from(&Request::post("/sign-in").body(()).unwrap()));
    assert_eq!(none.unwrap(), TokenRequest::new());
}

#[tokio::test]
async fn r076_the_metadata_name_the_algorithms() {
    let document = async |endpoints: &AuthEndpoints| {
        let documents = WellKnown::new(&Desk::new().sessions, "https://api.test/v1/auth").unwrap().endpoints(endpoints);
        let request = crate::support::get("/.well-known/oauth-authorization-server", &[]);
        told(documents.oneshot(request).await.unwrap()).await.json()
    };
    let names = json!(["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "RS256"]);
    assert_eq!(document(&Desk::bound().endpoints).await["dpop_signing_alg_values_supported"], names);
    assert_eq!(document(&Desk::new().endpoints).await.get("dpop_signing_alg_values_supported"), None);
}
