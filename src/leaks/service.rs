use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{
    handle::Handling,
    head::{Signed, wrong_method, wrong_signature},
    keys::ReportKeys,
    policy::{LeakPolicy, LeakedKey},
    report::{answer, read},
};
use crate::{
    BodyLimits, BoxError, ConfigError, FullBody, KeyRegistry, KeyStore, Rejection, RequestExt as _,
    strict_body::{read_json, unread},
    token::{Algorithm, VerifyingKey},
};

/// The service that GitHub's secret scanning calls. The [module page](crate::leaks) has an example.
///
/// Clones share the settings. It is mounted at one path, outside of the guards: the signature authenticates GitHub.
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct LeakReports(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    keys: Arc<dyn ReportKeys>,
    handling: Handling,
    types: Option<Vec<String>>,
    limits: BodyLimits,
    patience: Duration,
}

/// GitHub waits 30 seconds.
const PATIENCE: Duration = Duration::from_secs(25);
/// The time limit for the keys that sign reports.
const KEYS: Duration = Duration::from_secs(10);

impl LeakReports {
    /// Creates the service. Reported keys are found in `store`, which is the store of the guards, and revoked by
    /// `registry`, which manages the same keys.
    ///
    /// Pass the store itself, and not the one that [`KeyRegistry::watch`] returns: a report is no use of the key.
    pub fn new(registry: KeyRegistry, store: impl KeyStore, keys: impl ReportKeys) -> Self {
        let (store, policy) = (Arc::new(store), LeakPolicy::default());
        let handling = Handling { registry, store, policy, told: None };
        let limits = BodyLimits::new();
        Self(Arc::new(Settings { keys: Arc::new(keys), handling, types: None, limits, patience: PATIENCE }))
    }

    /// Sets what is done with leaked keys: [`LeakPolicy::Revoke`] by default.
    pub fn policy(self, policy: LeakPolicy) -> Self {
        self.set(|settings| settings.handling.policy = policy)
    }

    /// Calls this function for every key of a report that belongs to this service, at least once: for a repeated report it
    /// is called again, with [`AlreadyRevoked`](super::LeakOutcome::AlreadyRevoked) or [`Alerted`](super::LeakOutcome::Alerted).
    /// It must return quickly, because GitHub waits for it: send the messages from a task of your own. If GitHub goes away
    /// between the revocation and this call, the function is not called, and the audit log alone says it.
    ///
    /// ```
    /// use tower_auth::leaks::LeakReports;
    ///
    /// fn told(reports: LeakReports, queue: std::sync::mpsc::Sender<String>) -> LeakReports {
    ///     reports.on_leak(move |leak| {
    ///         let _ = queue.send(format!("{} of {:?} was found at {}", leak.key_id, leak.account, leak.url));
    ///     })
    /// }
    /// ```
    pub fn on_leak(self, told: impl Fn(&LeakedKey) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.handling.told = Some(Arc::new(told)))
    }

    /// Handles only tokens of these types, the names that GitHub was given for the patterns. Tokens of other types are not
    /// looked up and not answered, and a warning is logged. By default all are handled.
    ///
    /// # Errors
    /// If the list is empty, or a name is.
    pub fn token_types<S: Into<String>>(self, types: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let types: Vec<String> = types.into_iter().map(Into::into).collect();
        if types.is_empty() || types.iter().any(String::is_empty) {
            return Err(ConfigError::new(
                "LeakReports::token_types got no name, or an empty one, and every reported key would be left out",
                "use the names that GitHub was given for your patterns, or leave the call out to handle all",
            ));
        }
        Ok(self.set(|settings| settings.types = Some(types)))
    }

    /// Sets how large a report may be, and how long it may take to arrive: 1 MiB and ten seconds by default.
    pub fn limits(self, limits: BodyLimits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// Sets how long the keys of a report may take, all together: 25 seconds by default, less than GitHub waits. After
    /// that time the answer is 503. The keys that were handled until then stay handled.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.patience = timeout)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Settings {
    /// Answers a report. Nothing of its body is parsed before the signature is verified.
    async fn answer<B>(&self, request: Request<B>) -> Result<String, Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let (key, signature) = self.signer(&head).await.map_err(|refusal| unread(refusal, head.version))?;
        let body = read_json(&head, body, false, &self.limits).await?.unwrap_or_default();
        if !key.verify_der(&body, &signature) {
            return Err(wrong_signature("the signature of the report is wrong"));
        }
        let findings = read(&body, self.types.as_deref())?;
        drop(body);
        let request = head.request_id().map(|id| id.to_string());
        let handled = self.handling.all(&findings, request.as_deref());
        let clock = self.handling.registry.time_limit().clock();
        let handled = clock.within(self.patience, handled).await;
        let ours =
            handled.map_err(|late| Rejection::unavailable(format!("the keys of a report: the store {late}")))??;
        Ok(answer(&findings, &ours))
    }

    /// Returns the key that the report says it is signed with, and the signature.
    async fn signer(&self, head: &Parts) -> Result<(VerifyingKey, Vec<u8>), Rejection> {
        if head.method != Method::POST {
            return Err(wrong_method());
        }
        let signed = Signed::of(&head.headers)?;
        let down = |why: BoxError| Rejection::unavailable(format!("the keys that sign reports: {why}"));
        let clock = self.handling.registry.time_limit().clock();
        let found = clock.within(KEYS, self.keys.find(&signed.identifier)).await;
        let found = found.unwrap_or_else(|late| Err(format!("their source {late}").into())).map_err(down)?;
        match found {
            Some(key) if key.algorithm() == Algorithm::Es256 => Ok((key, signed.signature)),
            Some(_) => Err(Rejection::internal("the source of the keys that sign reports has a key that is not ES256")),
            None => Err(wrong_signature("no key has the identifier of the report")),
        }
    }
}

impl<B> Service<Request<B>> for LeakReports
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FullBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = Arc::clone(&self.0);
        Box::pin(async move { Ok(respond(settings.answer(request).await)) })
    }
}

fn respond(answer: Result<String, Rejection>) -> Response<FullBody> {
    const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
    match answer {
        Ok(labels) => FullBody::json(labels),
        Err(refusal) => refusal.header(header::CACHE_CONTROL, NO_STORE).into_response(),
    }
}

impl fmt::Debug for LeakReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakReports")
            .field("policy", &self.0.handling.policy)
            .field("token_types", &self.0.types)
            .finish_non_exhaustive()
    }
}
