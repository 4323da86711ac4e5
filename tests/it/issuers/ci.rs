//! Jobs of continuous integration: GitHub Actions and GitLab CI.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const API: &str = "https://api.example.com";
const ENTERPRISE: &str = "https://token.actions.acme.ghe.com";

fn github() -> TokenVerifierBuilder {
    issuers::github_actions(["65"]).audience(API)
}

fn enterprise() -> TokenVerifierBuilder {
    issuers::github_enterprise_actions(ENTERPRISE, ["65"]).audience(API)
}

fn gitlab() -> TokenVerifierBuilder {
    issuers::gitlab_ci("gitlab.com", ["72", "73"]).audience(API)
}

fn of_github() -> Token {
    let claims = json!({
        "jti": "6f4762ed-0758-4ccb-808d-ee3af5d723a8",
        "sub": "repo:acme/shop:environment:production",
        "environment": "production",
        "aud": API,
        "ref": "refs/heads/main",
        "sha": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "repository": "acme/shop",
        "repository_owner": "acme",
        "actor_id": "12",
        "repository_visibility": "private",
        "repository_id": "74",
        "repository_owner_id": "65",
        "run_id": "123456789",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "actor": "alice",
        "workflow": "deploy",
        "workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
        "workflow_sha": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_type": "branch",
        "ref_protected": "true",
        "job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
        "iss": "https://token.actions.githubusercontent.com",
        "nbf": NOW - 60,
        "exp": NOW + 300,
        "iat": NOW - 60,
    });
    token("rs256", json!({"typ": "JWT", "x5t": "example-thumbprint"}), claims)
}

fn of_enterprise() -> Token {
    of_github().with("iss", ENTERPRISE).as_good()
}

fn of_gitlab() -> Token {
    let claims = json!({
        "namespace_id": "72",
        "namespace_path": "acme",
        "project_id": "20",
        "project_path": "acme/shop",
        "user_id": "1",
        "user_login": "alice",
        "user_email": "alice@example.com",
        "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "environment": "production",
        "environment_protected": "false",
        "deployment_tier": "production",
        "runner_id": 1,
        "runner_environment": "gitlab-hosted",
        "sha": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "iat": NOW - 60,
        "nbf": NOW - 65,
        "exp": NOW + 3540,
        "iss": "https://gitlab.com",
        "aud": API,
        "sub": "project_path:acme/shop:ref_type:branch:ref:main",
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

#[tokio::test]
async fn a_job_is_a_principal() {
    let only = github().require_claim("repository_id", ["74"]).require_claim("ref", ["refs/heads/main"]);
    let claims = accept(only, &of_github()).await;
    assert_eq!(claims.principal().subject(), "repo:acme/shop:environment:production");
    assert_eq!(claims.principal().organizations(), ["65"]);
    assert!(claims.principal().scopes().is_empty());
    let young = "repo:acme@65/shop@74:ref:refs/heads/main";
    assert_eq!(accept(github(), &of_github().with("sub", young)).await.principal().subject(), young);
    accept(enterprise(), &of_enterprise()).await;

    let only = gitlab().require_claim("project_id", ["20"]).require_claim("ref_protected", ["true"]);
    let claims = accept(only, &of_gitlab()).await;
    assert_eq!(claims.principal().subject(), "project_path:acme/shop:ref_type:branch:ref:main");
    assert_eq!(claims.principal().organizations(), ["72"]);
}

#[tokio::test]
async fn mistakes_with_github_are_named() {
    usual_mistakes(github, &of_github()).await;
    usual_mistakes(enterprise, &of_enterprise()).await;
    refuse(github(), &of_github().with("repository_owner_id", "66"), "repository_owner_id is \"66\"").await;
    refuse(github(), &of_github().with("repository_owner_id", 65), "repository_owner_id: expected a string").await;
    refuse(github(), &of_github().without("repository_owner_id"), "no claim repository_owner_id").await;
    refuse(github(), &of_github().with("aud", "https://github.com/acme"), "https://github.com/acme").await;
    refuse(github(), &of_enterprise(), "acme.ghe.com").await;
    refuse(enterprise(), &of_github(), "githubusercontent").await;
    let main = || github().require_claim("ref", ["refs/heads/main"]);
    refuse(main(), &of_github().with("ref", "refs/pull/7/merge"), "refs/pull/7/merge").await;
}

#[tokio::test]
async fn mistakes_with_gitlab_are_named() {
    usual_mistakes(gitlab, &of_gitlab()).await;
    refuse(gitlab(), &of_gitlab().with("namespace_id", "99"), "namespace_id is \"99\"").await;
    let person = of_gitlab().without("namespace_id").without("project_id").with("sub", "1");
    refuse(gitlab(), &person, "no claim namespace_id").await;
    refuse(gitlab(), &of_gitlab().with("aud", "https://vault.example.com"), "vault.example.com").await;
    refuse(gitlab(), &of_gitlab().with("iss", "https://gitlab.example.com"), "gitlab.example.com").await;
    let protected = || gitlab().require_claim("ref_protected", ["true"]);
    refuse(protected(), &of_gitlab().with("ref_protected", "false"), "ref_protected").await;
}

#[test]
fn owners_are_ids() {
    for odd in ["", "acme", "acme/shop", "6 5", "-1"] {
        rejects(issuers::github_actions([odd]).audience(API), &format!("got {odd:?}"), "api.github.com/users");
        rejects(issuers::gitlab_ci("gitlab.com", [odd]).audience(API), &format!("got {odd:?}"), "ids of groups");
    }
    rejects(issuers::github_actions(Vec::<String>::new()).audience(API), "no owner id", "ids of users");
    rejects(issuers::gitlab_ci("gitlab.com", Vec::<String>::new()).audience(API), "no namespace id", "ids of groups");
    rejects(issuers::gitlab_ci("https://gitlab.com", ["72"]).audience(API), "name of a host", "gitlab.com");
    for odd in ["", "acme.ghe.com", "http://acme.ghe.com", "https://", "https://a b", "https://a/?x"] {
        rejects(issuers::github_enterprise_actions(odd, ["65"]).audience(API), &format!("got {odd:?}"), "iss");
    }
    rejects(issuers::github_actions(["65"]), "has no audience", ".audience(..)");
    rejects(issuers::gitlab_ci("gitlab.com", ["72"]), "has no audience", ".audience(..)");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(github(), &of_github(), "https://token.actions.githubusercontent.com/.well-known/openid-configuration");
    asks_at(enterprise(), &of_enterprise(), "https://token.actions.acme.ghe.com/.well-known/openid-configuration");
    asks_at(gitlab(), &of_gitlab(), "https://gitlab.com/.well-known/openid-configuration");
}
