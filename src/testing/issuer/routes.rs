//! The endpoints.

use std::collections::HashMap;

use bytes::Bytes;
use form_urlencoded::{Serializer, parse};
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};

use super::{
    flows::{CODE_LIFE, Code, Flows, Grant},
    handle::TestIssuer,
};
use crate::{
    FullBody,
    token::{KeySet, TokenVerifier, signed_claims},
};

/// What the server is.
pub(super) struct Site {
    pub(super) issuer: TestIssuer,
    pub(super) flows: Flows,
    /// Who uses the browser.
    pub(super) user: String,
}

/// An error of OAuth: its code, and its description.
struct Fault(&'static str, String);

type Answer = Response<FullBody>;

impl Site {
    pub(super) async fn answer(&self, request: &Parts, body: &Bytes) -> Answer {
        if request.method == Method::OPTIONS {
            return status(StatusCode::NO_CONTENT);
        }
        let delay = self.issuer.state.delay();
        if !delay.is_zero() {
            self.issuer.clock.sleep(delay).await;
        }
        let path = request.uri.path();
        if path == "/jwks.json" {
            self.issuer.state.count_fetch();
        }
        if self.issuer.state.is_failing() {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        match (path, request.method == Method::POST) {
            ("/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server", false) => {
                FullBody::json(self.metadata().to_string())
            }
            ("/jwks.json", false) => FullBody::json(self.issuer.key_set()),
            ("/authorize", false) => self.authorize(request.uri.query().unwrap_or_default()),
            ("/token", true) => self.token(body).unwrap_or_else(refused),
            ("/register", true) => self.register(body).unwrap_or_else(refused),
            ("/introspect", true) => FullBody::json(self.introspect(body).await.to_string()),
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    fn metadata(&self) -> Value {
        let issuer = self.issuer.name();
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "introspection_endpoint": format!("{issuer}/introspect"),
            "jwks_uri": format!("{issuer}/jwks.json"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.issuer.state.signer().algorithm().header_name()],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// Redirects at once, as if the user had agreed.
    fn authorize(&self, query: &str) -> Answer {
        let asked = Form::read(query.as_bytes());
        let (client, redirect) = (asked.get("client_id"), asked.get("redirect_uri"));
        // RFC 6749, section 4.1.2.1: to an address that the client has not registered, nobody is sent.
        if !self.flows.knows(client, redirect) {
            return refused(Fault("invalid_request", "the client has not registered this redirect_uri".to_owned()));
        }
        let outcome =
            match (asked.get("response_type"), asked.get("code_challenge_method"), asked.get("code_challenge")) {
                ("code", "S256", challenge) if !challenge.is_empty() => {
                    let grant = Grant {
                        subject: self.user.clone(),
                        client: client.to_owned(),
                        scope: asked.optional("scope"),
                        resources: asked.all("resource"),
                    };
                    let expires = self.issuer.clock.now() + CODE_LIFE;
                    let code = Code { grant, redirect: redirect.to_owned(), challenge: challenge.to_owned(), expires };
                    ("code", self.flows.add_code(code))
                }
                ("code", ..) => ("error", "invalid_request".to_owned()),
                _ => ("error", "unsupported_response_type".to_owned()),
            };
        let mut query = Serializer::new(String::new());
        query.append_pair(outcome.0, &outcome.1).append_pair("iss", self.issuer.name());
        if let Some(state) = asked.optional("state") {
            query.append_pair("state", &state);
        }
        let separator = if redirect.contains('?') { '&' } else { '?' };
        let mut response = status(StatusCode::FOUND);
        if let Ok(location) = HeaderValue::try_from(format!("{redirect}{separator}{}", query.finish())) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    fn token(&self, body: &[u8]) -> Result<Answer, Fault> {
        let asked = Form::read(body);
        let invalid = |why: &str| Fault("invalid_grant", why.to_owned());
        let mut grant = match asked.get("grant_type") {
            "authorization_code" => {
                let (code, redirect) = (asked.get("code"), asked.get("redirect_uri"));
                let now = self.issuer.clock.now();
                self.flows.redeem(code, redirect, asked.get("code_verifier"), now).map_err(invalid)?
            }
            "refresh_token" => self.flows.refresh(asked.get("refresh_token")).map_err(invalid)?,
            other => return Err(Fault("unsupported_grant_type", format!("the grant {other:?} is not supported"))),
        };
        if grant.client != asked.get("client_id") {
            return Err(invalid("the grant is another client's"));
        }
        let named = asked.all("resource");
        if named.iter().any(|resource| !grant.resources.is_empty() && !grant.resources.contains(resource)) {
            return Err(Fault("invalid_target", "the resource is not that of the authorization request".to_owned()));
        }
        if !named.is_empty() {
            grant.resources = named;
        }
        let mut token = self.issuer.token(&grant.subject).claim("client_id", &grant.client);
        for resource in &grant.resources {
            token = token.audience(resource);
        }
        let mut answer = json!({
            "access_token": "", "token_type": "Bearer", "expires_in": 300, "refresh_token": self.flows.add_refresh(grant.clone()),
        });
        if let Some(scope) = grant.scope {
            token = token.claim("scope", &scope);
            answer["scope"] = scope.into();
        }
        answer["access_token"] = token.sign().into();
        Ok(FullBody::json(answer.to_string()))
    }

    /// Dynamic client registration (RFC 7591).
    fn register(&self, body: &[u8]) -> Result<Answer, Fault> {
        let wrong = || Fault("invalid_redirect_uri", "redirect_uris is not a list of addresses".to_owned());
        let mut client: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| Fault("invalid_client_metadata", "the body is not a JSON object".to_owned()))?;
        let redirects = client.get("redirect_uris").and_then(Value::as_array).ok_or_else(wrong)?;
        let redirects: Option<Vec<String>> = redirects.iter().map(|uri| uri.as_str().map(str::to_owned)).collect();
        let id = self.flows.register(redirects.filter(|redirects| !redirects.is_empty()).ok_or_else(wrong)?);
        client.insert("client_id".to_owned(), id.into());
        client.insert("token_endpoint_auth_method".to_owned(), "none".into());
        let mut response = FullBody::json(Value::Object(client).to_string());
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    /// Token introspection (RFC 7662).
    async fn introspect(&self, body: &[u8]) -> Value {
        let asked = Form::read(body);
        let token = asked.get("token");
        let claims = if self.issuer.state.is_revoked(token) {
            None
        } else if let Some(claims) = self.issuer.state.opaque(token) {
            Some(claims).filter(|claims| self.is_in_time(claims))
        } else {
            self.signed(token).await
        };
        let Some(mut claims) = claims else { return json!({"active": false}) };
        claims.insert("active".to_owned(), true.into());
        claims.insert("token_type".to_owned(), "Bearer".into());
        Value::Object(claims)
    }

    fn is_in_time(&self, claims: &Map<String, Value>) -> bool {
        let now = self.issuer.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        claims.get("exp").and_then(Value::as_u64).is_none_or(|expires| now < expires)
    }

    /// Returns the claims of a token that this issuer has signed, for any audience.
    async fn signed(&self, token: &str) -> Option<Map<String, Value>> {
        let claims = signed_claims(token.as_bytes())?;
        let audience = match claims.get("aud")? {
            Value::Array(all) => all.first()?.as_str()?,
            one => one.as_str()?,
        };
        let keys = KeySet::from_json(self.issuer.key_set().as_bytes()).ok()?;
        let verifier = TokenVerifier::key_set(self.issuer.name().to_owned(), keys).audience(audience).build().ok()?;
        verifier.verify(token, &self.issuer.clock).await.is_ok().then_some(claims)
    }
}

/// The parameters of a query or a form.
struct Form(HashMap<String, Vec<String>>);

impl Form {
    fn read(bytes: &[u8]) -> Self {
        let mut all: HashMap<_, Vec<String>> = HashMap::new();
        for (name, value) in parse(bytes) {
            all.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self(all)
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name)?.first().cloned()
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

fn status(status: StatusCode) -> Answer {
    let mut response = Response::new(FullBody::default());
    *response.status_mut() = status;
    response
}

fn refused(Fault(error, why): Fault) -> Answer {
    let mut response = FullBody::json(json!({"error": error, "error_description": why}).to_string());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
