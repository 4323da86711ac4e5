//! Amazon Cognito.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const CLIENT: &str = "7l5hvv9bbk8gnd6b5pdgd2hm2b";
const SUBJECT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

fn preset() -> TokenVerifierBuilder {
    issuers::cognito("eu-west-1_AbCdEf123", [CLIENT])
}

fn access() -> Token {
    let claims = json!({
        "sub": SUBJECT,
        "cognito:groups": ["admin", "eu:staff"],
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
        "version": 2,
        "client_id": CLIENT,
        "origin_jti": "0a1b2c3d-0000-4000-8000-000000000001",
        "event_id": "0a1b2c3d-0000-4000-8000-000000000002",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin notes/read",
        "auth_time": NOW - 120,
        "exp": NOW + 3540,
        "iat": NOW - 60,
        "jti": "0a1b2c3d-0000-4000-8000-000000000003",
        "username": "alice",
    });
    token("rs256", json!({}), claims)
}

#[tokio::test]
async fn an_access_token_makes_a_principal() {
    let claims = accept(preset(), &access()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), claims.client_id()), (SUBJECT, Some(CLIENT)));
    assert_eq!(who.scopes(), ["aws.cognito.signin.user.admin", "notes/read"]);
    assert_eq!(who.roles(), ["admin", "eu:staff"]);
    assert!(who.organizations().is_empty() && who.account().is_none());
    assert!(who.logged_in_at().is_some());

    let of_resource = || preset().audience("https://api.example.com");
    let good = access().with("aud", "https://api.example.com").as_good();
    accept(of_resource(), &good).await;
    refuse(of_resource(), &good.with("aud", "https://other.example.com"), "other.example.com").await;
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(preset, &access()).await;
    let id_token = access().with("token_use", "id").with("aud", CLIENT).without("client_id").without("scope");
    refuse(preset(), &id_token, "audience").await;
    // If the id of the client is made the audience, the use of the token is still checked.
    let both = || preset().audience(CLIENT).audience_or_client();
    refuse(both(), &id_token.with("client_id", CLIENT), "claim token_use is \"id\"").await;
    refuse(preset(), &access().with("token_use", "id"), "claim token_use is \"id\"").await;
    refuse(preset(), &access().without("token_use"), "no claim token_use").await;
    refuse(preset(), &access().with("client_id", "another"), "another").await;
    refuse(preset(), &access().without("client_id"), "client_id").await;
    refuse(preset(), &access().with("aud", "https://api.example.com"), "https://api.example.com").await;
    let (pool, region) = ("eu-west-1.amazonaws.com/eu-west-1_Other", "us-east-1.amazonaws.com/eu-west-1_AbCdEf123");
    for other in [pool, region] {
        refuse(preset(), &access().with("iss", format!("https://cognito-idp.{other}")), other).await;
    }
}

#[test]
fn a_pool_is_its_id() {
    for odd in ["", "AbCdEf123", "eu-west-1", "eu-west-1_", "_AbC", "EU-WEST-1_AbC", "eu-west-1_Ab/C", "eu.west-1_AbC"]
    {
        rejects(issuers::cognito(odd, [CLIENT]), &format!("got {odd:?}"), "eu-west-1_AbCdEf123");
    }
    let url = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123";
    rejects(issuers::cognito(url, [CLIENT]), "not the id of a user pool", "or a URL");
    rejects(issuers::cognito("eu-west-1_AbC", [""]), "no id, or an empty one", "ids of the clients");
    rejects(issuers::cognito("eu-west-1_AbC", Vec::<String>::new()), "no id, or an empty one", "ids of the clients");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(
        preset(),
        &access(),
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123/.well-known/jwks.json",
    );
}
