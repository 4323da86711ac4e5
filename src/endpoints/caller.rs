//! The keys of clients.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, request::Parts};

use crate::{
    ApiKeyLayer, AuthFuture, AuthOutcome, Authenticator, ConfigError, Rejection, RejectionKind, RequestHead, Secret,
    base::credential, context::pass::Pass,
};

/// Authenticates clients by their keys.
#[derive(Clone, Debug)]
pub(super) struct Keys(ApiKeyLayer);

/// In the extensions of a request: another reading of the secret in `Authorization: Basic`.
#[derive(Clone)]
struct OtherReading(Arc<Secret>);

impl Keys {
    pub(super) const fn new(layer: ApiKeyLayer) -> Self {
        Self(layer)
    }

    /// Puts a key that the request presents elsewhere into the header that the layer reads. If it is wrong, the other
    /// reading counts.
    ///
    /// # Errors
    /// If no header can contain the key.
    pub(super) fn present(&self, head: &mut Parts, key: &Secret, other: Option<Secret>) -> Result<(), Rejection> {
        let no_header = || {
            let refusal = Rejection::new(RejectionKind::InvalidKey).cause("no header can contain the key");
            refusal.challenge(self.offer())
        };
        let in_header =
            |key: Option<&Secret>| self.0.presenting(key.map(Secret::expose).filter(|key| !key.is_empty())?);
        let both = [Some(key), other.as_ref()].map(in_header);
        let (name, value) = both.into_iter().flatten().next().ok_or_else(no_header)?;
        for name in self.0.credential_headers() {
            head.headers.remove(name);
        }
        head.headers.insert(name, value);
        if let Some(other) = other {
            head.extensions.insert(OtherReading(Arc::new(other)));
        }
        Ok(())
    }

    /// Returns whether the request has a header that the layer reads. `Authorization` does not count if it has a Basic
    /// credential.
    pub(super) fn are_in(&self, head: &Parts, basic: bool) -> bool {
        let read = self.0.credential_headers().iter();
        let mut read = read.filter(|name| !(basic && credential::is_authorization(name)));
        read.any(|name| credential::presents(&head.headers, name))
    }

    pub(super) fn missing(&self) -> Rejection {
        Rejection::missing_credential(self.offer())
    }

    fn offer(&self) -> Option<Arc<HeaderValue>> {
        HeaderValue::from_str(self.0.challenge()).ok().map(Arc::new)
    }

    /// Returns the challenge for clients that have used `Authorization: Basic`.
    pub(super) fn basic_challenge(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.0.challenge_by("Basic").as_str()).ok()
    }

    /// Checks the other reading of the secret, if there is one.
    fn check_other(&self, request: &RequestHead<'_>) -> Option<AuthFuture> {
        let OtherReading(secret) = request.extensions().get()?;
        let (name, value) = self.0.presenting(secret.expose())?;
        let mut other = request.to_request();
        other.headers_mut().insert(name, value);
        let limit = request.time_limit();
        let pass =
            Pass::new(limit.clock(), request.pass().and_then(|pass| pass.client_ip)).fresh(request.wants_fresh());
        let asked = std::sync::OnceLock::new();
        Some(self.0.authenticate(&RequestHead::in_pass(&other, Some(&pass)).for_method(limit, &asked)))
    }
}

fn is_wrong(found: &AuthOutcome) -> bool {
    matches!(found, AuthOutcome::Rejected(refusal) if refusal.kind() == RejectionKind::InvalidKey && refusal.principal().is_none())
}

impl Authenticator for Keys {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let first = self.0.authenticate(request);
        let Some(other) = self.check_other(request) else { return first };
        match first.now() {
            Ok(found) if is_wrong(&found) => other,
            Ok(found) => AuthFuture::ready(found),
            Err(first) => AuthFuture::bounded(async move {
                let found = first.await;
                if is_wrong(&found) { other.await } else { found }
            }),
        }
    }

    fn challenge(&self) -> &str {
        self.0.challenge()
    }

    fn credential_headers(&self) -> &[HeaderName] {
        self.0.credential_headers()
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.0.check_config()
    }
}
