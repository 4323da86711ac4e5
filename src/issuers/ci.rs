//! Jobs of continuous integration: GitHub Actions and GitLab CI.

use super::domain::{check_host, check_numbers, check_url, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// Id tokens of jobs of GitHub Actions, of the repositories of these owners: ids of users and organisations.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::github_actions(["65"]) // https://api.github.com/users/<name> shows the id
///     .audience("https://api.example.com") // what the workflow asks for
///     .require_claim("repository_id", ["74"])
///     .require_claim("ref", ["refs/heads/main"])
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://token.actions.githubusercontent.com`, and `typ` is `JWT`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, such as `repo:acme/shop:ref:refs/heads/main` |
/// | organisations | `repository_owner_id` |
///
/// Every repository of GitHub can get a token with your audience, so the owner decides, and is required here. Owners are ids and not
/// names, because a name can be taken by somebody else when its owner is renamed. The format of `sub` depends on the age and the settings
/// of the repository: decide by `repository_id`, `ref`, `environment` and `event_name`.
///
/// # What is refused
///
/// - A token of a repository of another owner, also with the same name. A token for another audience; by default it is the URL of the
///   owner.
///
/// # What remains yours
///
/// The audience; which repositories, branches or environments may call. Without `ref` or `environment`, anybody who can push a branch can.
/// For GitHub Enterprise, use [`github_enterprise_actions`].
///
/// # Source
///
/// GitHub Docs, "`OpenID` Connect reference". Built from this documentation, and not tested against the live service.
pub fn github_actions<S: Into<String>>(owner_ids: impl IntoIterator<Item = S>) -> TokenVerifierBuilder {
    github("github_actions", GITHUB, owner_ids.into_iter().map(Into::into).collect())
}

/// Id tokens of jobs of GitHub Actions in GitHub Enterprise: the issuer is `https://token.actions.<subdomain>.ghe.com`,
/// `https://<host>/_services/token`, or that of GitHub with the name of the enterprise.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::github_enterprise_actions("https://token.actions.acme.ghe.com", ["65"])
///     .audience("https://api.example.com")
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All else is as for [`github_actions`].
pub fn github_enterprise_actions<S: Into<String>>(
    issuer: &str,
    owner_ids: impl IntoIterator<Item = S>,
) -> TokenVerifierBuilder {
    if let Err(fault) = check_url("github_enterprise_actions", issuer, "https://token.actions.acme.ghe.com") {
        return faulty("github_enterprise_actions", fault);
    }
    github("github_enterprise_actions", issuer, owner_ids.into_iter().map(Into::into).collect())
}

fn github(preset: &str, issuer: &str, owners: Vec<String>) -> TokenVerifierBuilder {
    let help =
        "use the ids of users and organisations, such as \"65\"; https://api.github.com/users/<name> shows the id";
    if let Err(fault) = check_numbers(preset, "owner id", &owners, help) {
        return faulty(preset, fault);
    }
    TokenVerifier::discover(issuer.to_owned())
        .typ(["JWT"])
        .require_claim("repository_owner_id", owners)
        .organizations_from("repository_owner_id")
}

/// Id tokens of jobs of GitLab CI/CD, of projects that are directly in these namespaces: ids of groups and users.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::gitlab_ci("gitlab.com", ["72"]) // the page of the group shows its id
///     .audience("https://api.example.com") // `aud` of `id_tokens` in .gitlab-ci.yml
///     .require_claim("project_id", ["20"])
///     .require_claim("ref_protected", ["true"]) // a string, and no boolean
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is the URL of the instance, `https://<host>`, and `typ` is `JWT`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, such as `project_path:acme/shop:ref_type:branch:ref:main` |
/// | organisations | `namespace_id` |
///
/// Every project of the instance can get a token with your audience, so the namespace decides, and is required here. It is the group that
/// has the project, and not a group above: name every subgroup.
///
/// # What is refused
///
/// - A token of a project of another namespace. A token for another audience. An id token of a person who has signed in with GitLab,
///   which has no namespace.
///
/// # What remains yours
///
/// The audience; which projects, branches or environments may call. An instance below a path of its host has another issuer: begin with
/// [`TokenVerifier::discover`] and the same claims.
///
/// # Source
///
/// GitLab Docs, "ID token authentication". Built from this documentation, and not tested against the live service.
pub fn gitlab_ci<S: Into<String>>(host: &str, namespace_ids: impl IntoIterator<Item = S>) -> TokenVerifierBuilder {
    let namespaces: Vec<String> = namespace_ids.into_iter().map(Into::into).collect();
    let help = "use the ids of groups and users, such as \"72\"; the page of a group shows its id";
    let checked = check_host("gitlab_ci", host, "gitlab.com")
        .and_then(|()| check_numbers("gitlab_ci", "namespace id", &namespaces, help));
    if let Err(fault) = checked {
        return faulty("gitlab_ci", fault);
    }
    TokenVerifier::discover(format!("https://{host}"))
        .typ(["JWT"])
        .require_claim("namespace_id", namespaces)
        .organizations_from("namespace_id")
}
