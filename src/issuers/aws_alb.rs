//! Application Load Balancers of AWS that authenticate users.

use super::domain::faulty;
use crate::{
    ConfigError,
    jwks::{JwksClient, KeyPerId},
    token::{Algorithm, TokenVerifier, TokenVerifierBuilder},
};

const EXAMPLE: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188";

/// Tokens that an Application Load Balancer of AWS sends to its targets after its OIDC action has authenticated a user. The
/// arguments are the ARN of **your** load balancer, and the issuer and the client id of its OIDC action.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// const BALANCER: &str =
///     "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188";
/// let tokens = issuers::aws_alb(BALANCER, "https://id.example.com/", "my-client").build()?;
/// let auth = BearerLayer::new(tokens).header("x-amzn-oidc-data");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// The token is in the header `x-amzn-oidc-data`, without a scheme. It is signed with ES256 and has base64 padding, which RFC 7515
/// forbids. Its header has `signer`, the ARN of the load balancer, and `client`, the client id; there is no `aud`. The claims are
/// what the provider says of the user, `iss` is the provider, and the key is at an address of the region with its `kid`.
///
/// # What it refuses
///
/// Tokens of other load balancers, also of other accounts: all of a region share their keys, and only `signer` tells them apart.
/// Tokens for other clients, tokens without padding, and a `kid` that is not a UUID.
///
/// # What you set
///
/// - The header, at the [`BearerLayer`](crate::BearerLayer) as above.
/// - In AWS: security groups by which only the load balancer reaches the targets. The token says that the balancer has seen the user,
///   and not that this request has come through it.
/// - Roles and organisations, by the names that your provider uses, such as `.roles_from("groups")`.
///
/// The access token of the provider is in `x-amzn-oidc-accesstoken`; use the preset of the provider for it. Partitions other than `aws`
/// have their keys elsewhere: use [`KeyPerId`](crate::jwks::KeyPerId) with
/// [`TokenVerifier::lookup`](crate::TokenVerifier::lookup), and these settings.
///
/// Built from the user guide of Application Load Balancers and the source of a verifier of AWS; not tested against the live service.
pub fn aws_alb(load_balancer: &str, issuer: &str, client_id: &str) -> TokenVerifierBuilder {
    let region = match region(load_balancer, client_id) {
        Ok(region) => region,
        Err(fault) => return faulty("aws_alb", fault),
    };
    let keys = KeyPerId::new(JwksClient::new(format!("https://public-keys.auth.elb.{region}.amazonaws.com/{{kid}}")));
    TokenVerifier::lookup(issuer.to_owned(), Algorithm::Es256, keys)
        .typ(["JWT"])
        .padded_base64()
        .require_header("signer", [load_balancer])
        .require_header("client", [client_id])
        .accept_any_audience()
}

/// Returns the region of the load balancer.
fn region<'a>(load_balancer: &'a str, client_id: &str) -> Result<&'a str, ConfigError> {
    if client_id.is_empty() || client_id.trim() != client_id {
        return Err(ConfigError::new(
            format!("issuers::aws_alb got {client_id:?} as the client id"),
            "use the client id of the OIDC action of the load balancer",
        ));
    }
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let balancer = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'/';
        let parts: Vec<&str> = text.split('/').collect();
        text.bytes().all(plain)
            && matches!(&*parts, ["loadbalancer", "app", name, id] if !name.is_empty() && !id.is_empty())
    };
    let parts: Vec<&str> = load_balancer.split(':').collect();
    match &*parts {
        ["arn", "aws", "elasticloadbalancing", region, owner, resource]
            if word(region) && account(owner) && balancer(resource) =>
        {
            Ok(region)
        }
        _ => Err(ConfigError::new(
            format!("issuers::aws_alb got {load_balancer:?}, which is not the ARN of an Application Load Balancer"),
            format!(
                "use the ARN of the load balancer itself, not of a listener or a target group, such as {EXAMPLE:?}"
            ),
        )),
    }
}
