//! Load balancers of AWS: padding, the ARN of the signer, and keys that all balancers of a region share.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188";
const STRANGER: &str = "arn:aws:elasticloadbalancing:eu-central-1:210987654321:loadbalancer/app/api/0123456789abcdef";
const ISSUER: &str = "https://id.example.com/";

fn preset() -> TokenVerifierBuilder {
    issuers::aws_alb(BALANCER, ISSUER, "my-client").roles_from("groups")
}

fn token() -> Documented {
    let claims = json!({
        "sub": "00u1a2b3", "name": "Alice", "email": "alice@example.com", "groups": ["staff"], "exp": now() + 120, "iss": ISSUER,
    });
    let token = Documented::new("es256", "JWT", claims).header("iss", ISSUER).header("client", "my-client");
    token.header("signer", BALANCER).header("exp", now() + 120).padded()
}

#[tokio::test]
async fn a_user_of_the_own_load_balancer_makes_a_principal() {
    assert!(token().sign().contains('='), "the token of this test has no padding, and proves nothing");
    let who = accept(preset(), &token()).await.principal().clone();
    assert_eq!((who.subject(), who.issuer(), who.roles()), ("00u1a2b3", Some(ISSUER), &["staff".to_owned()][..]));
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn tokens_of_other_load_balancers_and_clients_are_refused() {
    refuse(preset(), &token().header("signer", STRANGER), "210987654321").await;
    refuse(preset(), &token().without_header("signer"), "no signer").await;
    refuse(preset(), &token().header("signer", json!([BALANCER])), "no signer").await;
    refuse(preset(), &token().header("client", "other"), "\"other\"").await;
    refuse(preset(), &token().without_header("client"), "no client").await;
    refuse(preset(), &token().with("iss", "https://other.example.com/"), "other.example.com").await;
    refuse(preset(), &token().header("typ", "at+jwt"), "typ is \"at+jwt\"").await;
    refuse(preset(), &token().unpadded(), "malformed").await;
}

#[test]
fn names_that_cannot_be_are_errors_when_built() {
    preset().build().unwrap();
    assert_unbuilt(issuers::aws_alb(BALANCER, "", "my-client"), "issuer");
    for odd in [
        "",
        "api",
        "50dc6c495c0c9188",
        "https://api-1.eu-central-1.elb.amazonaws.com",
        "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu.evil.test/:123456789012:loadbalancer/app/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing::123456789012:loadbalancer/app/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu-central-1:1234:loadbalancer/app/api/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188 ",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/api/50dc6c495c0c9188/f2f7dc8efc522ab2",
    ] {
        assert_unbuilt(issuers::aws_alb(odd, ISSUER, "my-client"), "issuers::aws_alb got");
    }
    for odd in ["", " ", "my-client "] {
        assert_unbuilt(issuers::aws_alb(BALANCER, ISSUER, odd), "issuers::aws_alb got");
    }
}
