//! Service accounts of Kubernetes.

use std::path::Path;

use serde_json::{Value, json};
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const API: &str = "https://billing.example.com";
const SUBJECT: &str = "system:serviceaccount:shop:checkout";

fn public() -> TokenVerifierBuilder {
    issuers::kubernetes(ISSUER).audience(API)
}

fn inside() -> TokenVerifierBuilder {
    issuers::kubernetes_in_cluster(ISSUER).audience(API)
}

fn projected(kid: &'static str) -> Token {
    let claims = json!({
        "aud": [API],
        "exp": NOW + 3540,
        "iat": NOW - 60,
        "iss": ISSUER,
        "jti": "0a1b2c3d-0000-4000-8000-000000000001",
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "node-1", "uid": "0a1b2c3d-0000-4000-8000-000000000002"},
            "pod": {"name": "checkout-7d4f", "uid": "0a1b2c3d-0000-4000-8000-000000000003"},
            "serviceaccount": {"name": "checkout", "uid": "0a1b2c3d-0000-4000-8000-000000000004"},
            "warnafter": NOW + 3547,
        },
        "nbf": NOW - 60,
        "sub": SUBJECT,
    });
    token(kid, json!({}), claims)
}

#[tokio::test]
async fn a_service_account_is_a_principal() {
    for preset in [public, inside] {
        for kid in ["rs256", "es256"] {
            let claims = accept(preset(), &projected(kid)).await;
            assert_eq!(claims.principal().subject(), SUBJECT);
            assert_eq!(claims.principal().organizations(), ["shop"]);
            assert!(claims.principal().scopes().is_empty() && claims.principal().roles().is_empty());
        }
    }
    let moved = || public().also_issuer("https://oidc.example.com/cluster");
    accept(moved(), &projected("rs256").with("iss", "https://oidc.example.com/cluster")).await;
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(public, &projected("rs256")).await;
    usual_mistakes(inside, &projected("es256")).await;
    let good = projected("rs256");
    refuse(public(), &good.with("aud", json!([ISSUER])), ISSUER).await;
    refuse(public(), &good.without("aud"), "no audience").await;
    refuse(public(), &good.with("exp", NOW + 365 * 24 * 3600), "max_lifetime").await;
    refuse(public(), &good.without("iat"), "iat").await;
    refuse(public(), &good.with("iss", "kubernetes/serviceaccount"), "kubernetes/serviceaccount").await;
    let shop = || public().require_claim("/kubernetes.io/namespace", ["shop"]);
    accept(shop(), &good).await;
    refuse(shop(), &good.with("kubernetes.io", json!({"namespace": "other"})), "/kubernetes.io/namespace").await;
    let odd: Value = json!({"namespace": ["shop"]});
    accept(public(), &good.with("kubernetes.io", odd.clone())).await;
    refuse(shop(), &good.with("kubernetes.io", odd), "list").await;
}

#[test]
fn the_issuer_and_the_place_are_checked() {
    for preset in [issuers::kubernetes, issuers::kubernetes_in_cluster] {
        for odd in ["", "kubernetes.default.svc", "http://kubernetes.default.svc", "https:///x", "https://a b"] {
            rejects(preset(odd).audience(API), &format!("got {odd:?}"), "exact value of iss");
        }
    }
    rejects(issuers::kubernetes(ISSUER), "has no audience", ".audience(..)");
    let ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
    if Path::new(ca).exists() {
        inside().build().expect("in a pod, the files are there");
    } else {
        rejects(inside(), &format!("cannot read {ca}"), "in a pod");
    }
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(public(), &projected("rs256"), &format!("{ISSUER}/.well-known/openid-configuration"));
}
