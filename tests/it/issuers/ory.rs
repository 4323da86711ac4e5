//! Ory Hydra: scopes in two places, and an empty list of audiences.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://hydra.example.com/";
const CLIENT: &str = "9b3c2a1d-6f4e-4b8a-8c7d-1e2f3a4b5c6d";

fn preset() -> TokenVerifierBuilder {
    issuers::ory_hydra(ISSUER).audience("https://api.example.com").organizations_from("/ext/organization")
}

fn token() -> Documented {
    let claims = json!({
        "aud": ["https://api.example.com"], "client_id": CLIENT, "exp": now() + 3600, "iat": now(), "nbf": now(),
        "ext": {"organization": "acme"}, "iss": ISSUER, "jti": "f4a0d8d2-4d4f-4a29-9c64-b2b4a3e0b3b1",
        "scp": ["offline", "notes:read"], "sub": "alice",
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn scopes_are_read_from_a_list_and_from_a_string() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("alice", Some(ISSUER)));
    assert_eq!(
        (who.scopes(), who.organizations()),
        (&["offline".to_owned(), "notes:read".to_owned()][..], &["acme".to_owned()][..])
    );
    assert_eq!(claims.client_id(), Some(CLIENT));
    for text in
        [token().without("scp").with("scope", "offline notes:read"), token().with("scope", "offline notes:read")]
    {
        assert_eq!(accept(preset(), &text).await.principal().scopes(), ["offline", "notes:read"]);
    }
    // As the page of the documentation has it, the other way round.
    let other = token().with("scp", "offline notes:read").with("scope", json!(["offline", "notes:read"]));
    assert_eq!(accept(preset(), &other).await.principal().scopes(), ["offline", "notes:read"]);
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn a_token_without_an_audience_needs_its_client() {
    let nobodys = || token().with("aud", json!([]));
    refuse(preset(), &nobodys(), "no audience").await;
    let either = || preset().client("client_id", [CLIENT]).audience_or_client();
    accept(either(), &nobodys()).await;
    refuse(either(), &nobodys().with("client_id", "other"), "\"other\"").await;
    // An id token: its audience is the client.
    let id = token().with("aud", json!([CLIENT])).without("client_id").without("scp").with("at_hash", "x");
    refuse(preset(), &id, CLIENT).await;
    refuse(either(), &id, CLIENT).await;
    refuse(preset(), &token().with("iss", "https://other.example.com/"), "other.example.com").await;
}

#[test]
fn an_issuer_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::ory_hydra(ISSUER), "no audience");
    issuers::ory_hydra("https://example.projects.oryapis.com").audience("a").build().unwrap();
    for odd in ["", "hydra.example.com", "https://HYDRA.example.com", "https://hydra.example.com/ a", "https://"] {
        assert_unbuilt(issuers::ory_hydra(odd).audience("a"), "issuers::ory_hydra got");
    }
}
