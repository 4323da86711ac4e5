use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{
    address::{self, Advice, Fault},
    get::{is_of_the_question, place},
    post::{Answer, BuiltIn, Post, Through},
};
use crate::{
    BoxError, Clock, ConfigError, MaybeReady, Secret,
    base::credential,
    token::{Introspector, OfOneToken, SigningKey},
};

/// Asks the introspection endpoint of an authorization server about tokens (RFC 7662).
///
/// The server must know who asks: set the [id and secret](Self::client_secret_basic) of this service, a
/// [key](Self::private_key_jwt), or a [token](Self::bearer).
///
/// If the server refuses these (401 or 403), an error is logged, and requests with tokens are answered 503: the client's token may
/// be good.
///
/// If the server refuses a question for what is in it (400, 413, 414, 422 or 431), the request is answered 503 too. Any client can
/// cause this, so it changes the health of the verifier only if the server has not answered about any token yet.
///
/// ```no_run
/// use tower_auth::{Secret, TokenVerifier, jwks::IntrospectionClient};
///
/// let secret = Secret::new(std::env::var("INTROSPECTION_SECRET").unwrap_or_default());
/// let server = IntrospectionClient::new("https://id.example.com/oauth2/introspect")
///     .client_secret_basic("my-service", &secret);
/// let tokens = TokenVerifier::introspect("https://id.example.com/", server)
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a client does nothing until a verifier has it"]
pub struct IntrospectionClient {
    url: String,
    identity: Identity,
    audience: Option<String>,
    insecure: bool,
    agent: Option<HeaderValue>,
    fault: Option<ConfigError>,
    post: Result<Arc<dyn Post>, ConfigError>,
    /// Whether the server has refused the identity of this service in its last answer.
    denied: Arc<AtomicBool>,
}

/// How the server knows who asks.
#[derive(Clone)]
enum Identity {
    Unset,
    Nobody,
    Header(HeaderName, HeaderValue),
    Form(String, Arc<Secret>),
    Key(String, SigningKey),
}

impl IntrospectionClient {
    /// Asks the endpoint at this URL: the `introspection_endpoint` in the metadata of the authorization server (RFC 8414).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            identity: Identity::Unset,
            audience: None,
            insecure: false,
            agent: None,
            fault: None,
            post: BuiltIn::new().map(|client| Arc::new(client) as Arc<dyn Post>),
            denied: Arc::default(),
        }
    }

    /// Sends requests through this tower service instead of the built-in client. The service must not follow redirects.
    pub fn with_service<S, B>(self, service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Self { post: Ok(Arc::new(Through::new(service))), ..self }
    }

    /// Sends the id and secret of this service in `Authorization: Basic` (`client_secret_basic`; RFC 6749, section 2.3.1). Both are
    /// form-encoded first, as the RFC says; some servers do not decode them, which matters only for special characters.
    pub fn client_secret_basic(self, id: &str, secret: &Secret) -> Self {
        match credential::client_basic(id, secret) {
            Some((name, value)) if !id.is_empty() => self.identify(Identity::Header(name, value)),
            _ => self.faulty("client_secret_basic got no id", "use the client id that the server knows"),
        }
    }

    /// Sends the id and secret of this service in the form (`client_secret_post`).
    pub fn client_secret_post(self, id: &str, secret: &Secret) -> Self {
        self.identify(Identity::Form(id.to_owned(), Arc::new(Secret::new(secret.expose()))))
    }

    /// Proves the identity of this service with a signature (`private_key_jwt`; RFC 7523, section 2.2). Register the
    /// [public key](SigningKey::public_jwk) at the server. Each question has an assertion of its own, which is good for a minute.
    /// Its audience is the URL of the endpoint; [`assertion_audience`](Self::assertion_audience) sets another.
    ///
    /// ```
    /// use tower_auth::{jwks::IntrospectionClient, token::{Algorithm, SigningKey}};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// println!("register this key: {}", key.public_jwk());
    /// let server = IntrospectionClient::new("https://id.example.com/introspect")
    ///     .private_key_jwt("my-service", key)
    ///     .assertion_audience("https://id.example.com/");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn private_key_jwt(self, id: &str, key: SigningKey) -> Self {
        self.identify(Identity::Key(id.to_owned(), key))
    }

    /// Sets the audience of the assertions of [`private_key_jwt`](Self::private_key_jwt): many servers want their issuer.
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sends this token as `Authorization: Bearer`.
    pub fn bearer(self, token: &Secret) -> Self {
        match credential::bearer(token) {
            Some((name, value)) => self.identify(Identity::Header(name, value)),
            None => self.faulty("bearer got a text that no header can contain", "use the token alone, on one line"),
        }
    }

    /// Sends nothing that says who asks, for a server that knows it by the certificate of the connection
    /// ([`with_service`](Self::with_service)), or by the network.
    pub fn without_identity(self) -> Self {
        self.identify(Identity::Nobody)
    }

    /// Allows an `http:` URL. Who is on the network path can then read all tokens, and decide which are good. Use it only for tests
    /// and for trusted networks.
    pub fn insecure_http(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// Sends this `User-Agent`, without which some servers refuse every request. By default there is none.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        match HeaderValue::try_from(name.into()) {
            Ok(name) => self.agent = Some(name),
            Err(_) => {
                return self
                    .faulty("user_agent got a text that no header can contain", "use a name such as my-service/1.0");
            }
        }
        self
    }

    fn identify(mut self, identity: Identity) -> Self {
        if !matches!(self.identity, Identity::Unset) {
            return self.faulty(
                "has two ways to say who asks, and would use only the second",
                "use the one that the server expects",
            );
        }
        self.identity = identity;
        self
    }

    fn faulty(mut self, what: &str, help: &'static str) -> Self {
        self.fault.get_or_insert(ConfigError::new(format!("the IntrospectionClient: {what}"), help));
        self
    }

    fn uri(&self) -> Result<Uri, ConfigError> {
        address::read(&self.url, self.insecure, &ADVICE)
            .map_err(|Fault(what, help)| ConfigError::new(format!("tokens cannot be introspected: {what}"), help))
    }

    /// Returns the headers and the form of a question.
    fn question(&self, token: &str) -> Result<(HeaderMap, Bytes), BoxError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, JSON);
        headers.insert(header::CONTENT_TYPE, FORM);
        if let Some(agent) = &self.agent {
            headers.insert(header::USER_AGENT, agent.clone());
        }
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        match &self.identity {
            Identity::Unset | Identity::Nobody => {}
            Identity::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Identity::Form(id, secret) => {
                form.append_pair("client_id", id).append_pair("client_secret", secret.expose());
            }
            Identity::Key(id, key) => {
                let audience = self.audience.as_deref().unwrap_or(&self.url);
                let assertion = key.client_assertion(id, audience, Clock::system().now())?;
                form.append_pair("client_id", id)
                    .append_pair("client_assertion_type", ASSERTION)
                    .append_pair("client_assertion", assertion.expose());
            }
        }
        Ok((headers, Bytes::from(form.finish())))
    }

    async fn ask(self, token: String) -> Result<Bytes, BoxError> {
        let (uri, post) = (self.uri()?, self.post.clone()?);
        let place = place(&uri);
        let (headers, form) = self.question(&token)?;
        let answer = post.post(uri, headers, form).await.map_err(|error| -> BoxError {
            if is_of_the_question(&*error) { OfOneToken(error).into() } else { error }
        });
        match answer? {
            Answer::Document(document) => {
                self.denied.store(false, Ordering::Relaxed);
                Ok(document)
            }
            Answer::Denied(status) => {
                if !self.denied.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        target: "tower_auth",
                        url = %place,
                        %status,
                        "the introspection endpoint does not accept the identity of this service, so no token can be checked; \
                         correct the client id, secret, key or token of the IntrospectionClient, or its permission at the server"
                    );
                }
                Err(format!("{place}: the answer is {status}: it does not accept the identity of this service").into())
            }
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ADVICE: Advice = Advice {
    danger: "all tokens can be read on the way",
    whole: "use a full URL, such as https://id.example.com/oauth2/introspect",
    plain: "use https; for a test or a trusted network, call .insecure_http()",
};

impl Introspector for IntrospectionClient {
    fn introspect(&self, token: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::boxed(self.clone().ask(token.to_owned()))
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(place(&self.url.parse().ok()?)))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)?;
        self.uri()?;
        self.post.as_ref().map_err(Clone::clone)?;
        if matches!(self.identity, Identity::Unset) {
            return Err(ConfigError::new(
                "the IntrospectionClient does not say who asks, and a server answers only services that it knows",
                "call .client_secret_basic(id, &secret), or .without_identity() if the server knows it by the connection",
            ));
        }
        if self.audience.is_some() && !matches!(self.identity, Identity::Key(..)) {
            return Err(ConfigError::new(
                "the IntrospectionClient has an assertion_audience and makes no assertions",
                "remove the call, or use .private_key_jwt(id, key)",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for IntrospectionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionClient")
            .field("location", &self.location())
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}
