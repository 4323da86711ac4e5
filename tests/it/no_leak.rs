//! Planted secrets never come out. The helper that reads the log stands here, for other modules too.

use std::{
    any::Any,
    convert::Infallible,
    fmt::{Debug, Write as _},
    io, panic,
    sync::{Arc, Mutex, OnceLock},
};

use http::{HeaderValue, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ConfigError, Disclosure, KeyDigest,
    KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyState, KeyStore, MemoryKeyStore, Peppers, Rejection, RejectionKind,
    RequestExt as _, RequestHead, RequireLayer, Secret, StoreFuture,
    permission::{Verdict, from_fn, scope},
};
use tower_http::trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer};
use tracing::{Dispatch, Level, subscriber::DefaultGuard};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Body, get, ok, strict, text};

/// No four letters of it in a row stand in any text of this crate; its last four may be shown.
const KEY: &str = "ak_Zq7Xw9Vk3Jp5Gy8Qj2Wz4Kx6Vb1Nq0Pf7Jg9Hx3Qzv";
const STATIC: &str = "Yw2Xk8Vq5Zj1Jb7Kp4Qg6Wf9Xz3Nv0Hq";
const PEPPER: [u8; 32] = *b"Vj3Qk9Zx5Wp1Yg7Kb4Jf8Xq2Vz6Nh0Qw";
const STORE_ERROR: &str = "Jq8Wv2Zk5Xf9 database password";
const CAUSE: &str = "Kz4Vx7Qj1Yp6 private cause";

/// All that came out somewhere, and what must not stand in it.
#[derive(Default)]
struct Out(String);

impl Out {
    fn show(&mut self, thing: &impl Debug) {
        write!(self.0, "{thing:?}\n{thing:#?}\n").unwrap();
    }

    /// Panics with the place where five letters in a row of a secret came out.
    fn assert_clean(&self) {
        let digest = KeyScheme::sha256(KeyFormat::opaque(20)).digests(KEY.as_bytes()).unwrap();
        let digests = [digest.iter().next().unwrap().to_hex(), bytes(&Sha256::digest(KEY)), bytes(&PEPPER)];
        let keyed: Vec<String> = scheme().digests(KEY.as_bytes()).unwrap().iter().map(KeyDigest::to_hex).collect();
        let pepper: String = PEPPER.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        for secret in digests.iter().chain(&keyed).chain([&pepper]) {
            self.lacks(secret, 12);
        }
        let pepper = str::from_utf8(&PEPPER).unwrap();
        for secret in [&KEY[3..], STATIC, pepper, &STORE_ERROR[..12], &CAUSE[..12]] {
            self.lacks(secret, 5);
        }
    }

    fn lacks(&self, secret: &str, window: usize) {
        for at in 0..=secret.len() - window {
            let part = &secret[at..at + window];
            if let Some(found) = self.0.find(part) {
                let line = self.0[..found].rfind('\n').map_or(0, |end| end + 1);
                panic!("{part:?} of {secret:?} came out: {}", self.0[line..].lines().next().unwrap_or_default());
            }
        }
    }
}

/// As `Debug` shows a list of bytes.
fn bytes(bytes: &[u8]) -> String {
    let shown = format!("{bytes:?}");
    shown[1..shown.len() - 1].to_owned()
}

fn scheme() -> KeyScheme {
    let format = KeyFormat::prefixed("ak", KEY.len() - 3).unwrap().without_checksum();
    KeyScheme::new(format, Peppers::new(1, PEPPER).unwrap().accept(2, [7; 32]).unwrap())
}

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"])
}

/// Fails, or leaves the store alone where there is one.
struct Flaky(Option<MemoryKeyStore>);

impl KeyStore for Flaky {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.0.as_ref().map_or_else(|| StoreFuture::ready(Err(STORE_ERROR.into())), |store| store.find(key))
    }
}

fn keys(record: KeyRecord) -> ApiKeyLayer {
    let store = MemoryKeyStore::new().with(&scheme(), KEY, record).unwrap();
    ApiKeyLayer::new(scheme(), Flaky(Some(store))).header("x-api-key").bearer().disclose(Disclosure::State)
}

#[test]
fn r083_what_can_be_printed_shows_no_secret() {
    let mut out = Out::default();
    let store = MemoryKeyStore::new().with(&scheme(), KEY, record()).unwrap();
    let digests = scheme().digests(KEY.as_bytes()).unwrap();
    let keys = keys(record());
    let fixed = ApiKeyLayer::static_key("ops", Secret::new(STATIC)).unwrap();
    let stack = AuthStack::builder().auth(keys.clone()).require(scope("read")).on_decision(|_| {});
    out.show(&Secret::new(KEY));
    out.show(&(scheme(), scheme().format(), Peppers::new(1, PEPPER)));
    out.show(&(&digests, digests.iter().collect::<Vec<_>>()));
    out.show(&(&store, record(), store.find(&digests)));
    out.show(&(&keys, &fixed, AuthLayer::first(fixed.clone()).then(keys.clone()), fixed.clone().layer(())));
    out.show(&stack);
    let stack = stack.build().unwrap();
    out.show(&(&stack, stack.guards(), stack.layer(()), stack.envelope()));
    let refusal = Rejection::unavailable(STORE_ERROR).cause(CAUSE);
    out.show(&refusal);
    write!(out.0, "{refusal} {}", KeyRecord::new("k", "a").principal().method()).unwrap();
    out.show(&Answers(vec![AuthOutcome::Rejected(refusal), AuthOutcome::Authenticated(record().principal().clone())]));
    out.assert_clean();
}

/// Names what an authenticator answers, for `Debug` alone.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Answers(Vec<AuthOutcome>);

/// The message of the panic that an `unwrap` of this makes.
fn unwrapped<T>(made: Result<T, ConfigError>) -> String {
    let made = made.map(|_| ());
    let message = |panic: Box<dyn Any + Send>| panic.downcast_ref::<String>().cloned().unwrap_or_default();
    let panicked = panic::catch_unwind(|| made.clone().unwrap()).map_err(message).unwrap_err();
    assert!(panicked.contains("ConfigError"), "{panicked}");
    format!("{panicked} {} {made:?} {made:#?}", made.as_ref().unwrap_err())
}

#[test]
fn r083_what_is_wrong_with_a_secret_is_said_without_it() {
    let mut out = Out::default();
    for secret in [&STATIC[..12], &format!("{STATIC} x"), &format!("{STATIC}é"), &STATIC.repeat(30)] {
        out.0 += &unwrapped(ApiKeyLayer::static_key("ops", Secret::new(secret)));
    }
    let shorter = KeyScheme::new(KeyFormat::prefixed("sk", 30).unwrap(), Peppers::new(1, PEPPER).unwrap());
    out.0 += &unwrapped(MemoryKeyStore::new().with(&shorter, KEY, record()));
    out.0 += &unwrapped(MemoryKeyStore::new().insert(&shorter, STATIC, record()));
    out.0 += &unwrapped(Peppers::new(1, PEPPER).unwrap().accept(1, PEPPER));
    out.assert_clean();
    // A variable that is set everywhere and holds no peppers.
    let path = std::env::var("PATH").unwrap();
    let said = unwrapped(Peppers::from_env("PATH"));
    assert!(
        said.contains("PATH") && path.split([':', '/']).all(|part| part.len() < 5 || !said.contains(part)),
        "{said}"
    );
    assert!(!format!("{:?}", Secret::from_env("PATH")).contains(&path));
}

#[test]
fn r083_a_hint_shows_the_last_four_characters_at_most() {
    for (format, key, hint) in [
        (scheme().format().clone(), KEY, "ak_…3Qzv"),
        (KeyFormat::opaque(16), STATIC, "…v0Hq"),
        (KeyFormat::opaque(16), &STATIC[..20], "…p4Qg"),
        (KeyFormat::opaque(16), &STATIC[..19], "…"),
        (KeyFormat::opaque(1), "short", "…"),
        (crate::support::ak(), "ak_", "ak_…"),
        (crate::support::ak(), &"é".repeat(20), "ak_…éé"),
    ] {
        assert_eq!(format.hint(key), hint);
    }
    let (store, scheme) = (MemoryKeyStore::new(), scheme());
    let minted = store.create(&scheme, record()).unwrap();
    let found = store.find(&scheme.digests(minted.expose().as_bytes()).unwrap());
    let found = futures(found).unwrap().unwrap();
    let hint = found.principal().credential_hint().unwrap().to_owned();
    assert_eq!(hint, format!("ak_…{}", &minted.expose()[minted.expose().len() - 4..]));
}

fn futures<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Prints the request as a careless method of a user's own does.
struct Careless(Arc<Mutex<Out>>);

impl Authenticator for Careless {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        self.0.lock().unwrap().show(request);
        AuthFuture::ready(AuthOutcome::NoCredential)
    }

    fn challenge(&self) -> &'static str {
        "Cookie"
    }
}

#[tokio::test]
async fn r083_a_request_that_a_method_prints_shows_no_credential() {
    let out = Arc::new(Mutex::new(Out::default()));
    let layer = AuthLayer::first(Careless(Arc::clone(&out))).then(keys(record()));
    for header in [("x-api-key", KEY.to_owned()), ("authorization", format!("Bearer {KEY}"))] {
        let response = layer.layer(ok()).oneshot(get("/", &[(header.0, &header.1)])).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let out = out.lock().unwrap();
    assert!(out.0.contains("RequestHead"), "the request was printed");
    out.assert_clean();
}

/// Sends a request, and keeps all that an outsider or a log reader sees of the answer.
async fn send<S, B>(out: &mut Out, mut service: S, request: Request<Body>) -> StatusCode
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Debug>,
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: Debug,
{
    let logs = Logs::capture();
    let future = service.ready().await.unwrap().call(request);
    out.show(&future);
    let response = future.await.unwrap();
    let status = response.status();
    out.show(&Rejection::of(&response));
    out.show(&(status, response.headers(), response.extensions()));
    out.0 += &text(response).await;
    assert!(logs.text().contains("tower_auth"), "the log was read: {:?}", logs.text());
    out.0 += &logs.text();
    status
}

#[tokio::test]
async fn r033_no_answer_and_no_log_shows_a_secret() {
    let mut out = Out::default();
    let seen = Arc::new(Mutex::new(Out::default()));
    let handler = strict(|request: Request<Body>| {
        tracing::trace!(headers = ?request.headers(), extensions = ?request.extensions(), "handling");
        tracing::trace!(who = ?request.principal(), "handling");
        Response::new(Body::default())
    });
    let past = std::time::SystemTime::UNIX_EPOCH;
    let states = [
        record(),
        record().state(KeyState::Revoked),
        record().state(KeyState::Paused),
        record().expires_at(past),
        record().account_suspended(true),
    ];
    let traced = || {
        TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::TRACE).include_headers(true))
            .on_request(DefaultOnRequest::new().level(Level::TRACE))
            .on_response(DefaultOnResponse::new().level(Level::TRACE).include_headers(true))
    };
    let bearer = format!("Bearer {KEY}");
    let wrong = format!("{}X", &KEY[..KEY.len() - 1]);
    let requests: [&[(&str, &str)]; 8] = [
        &[("x-api-key", KEY)],
        &[("authorization", &bearer)],
        &[("x-api-key", &wrong)],
        &[("x-api-key", &KEY[..30])],
        &[("x-api-key", KEY), ("x-api-key", KEY)],
        &[("x-api-key", KEY), ("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", KEY)],
        &[("x-api-key", &bearer)],
    ];
    let mut statuses = std::collections::BTreeSet::new();
    for record in states {
        let observed = Arc::clone(&seen);
        let stack = AuthStack::builder()
            .auth(keys(record))
            .on_decision(move |decision| observed.lock().unwrap().show(decision))
            .expose_principal()
            .build()
            .unwrap();
        let service = ServiceBuilder::new().layer(stack).layer(traced()).service(handler.clone());
        for headers in requests {
            statuses.insert(send(&mut out, service.clone(), get("/", headers)).await.as_u16());
        }
    }
    for (layer, status) in [
        (RequireLayer::scope("write"), 403),
        (
            RequireLayer::new(from_fn(|_, request| {
                tracing::trace!(?request, "deciding");
                false
            })),
            403,
        ),
        (RequireLayer::new(from_fn(|_, _| Verdict::Misconfigured("in the wrong place".into()))), 500),
    ] {
        let stack = AuthStack::builder().auth(keys(record())).build().unwrap();
        let service = stack.layer(layer.layer(handler.clone()));
        assert_eq!(send(&mut out, service, get("/", &[("x-api-key", KEY)])).await, status);
    }
    let fixed =
        AuthStack::builder().auth(ApiKeyLayer::static_key("ops", Secret::new(STATIC)).unwrap()).build().unwrap();
    for (key, status) in [(STATIC, 200), (&STATIC[1..], 401), (&STATIC[..10], 401)] {
        assert_eq!(send(&mut out, fixed.layer(handler.clone()), get("/", &[("x-api-key", key)])).await, status);
    }
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 400, 401]);
    out.0 += &seen.lock().unwrap().0;
    assert!(out.0.contains("ak_…3Qzv"), "the hint is shown");
    out.assert_clean();
}

/// What the log must show, and the client must not.
#[tokio::test]
async fn r159_private_causes_go_to_the_log_and_to_nobody_else() {
    let down = AuthStack::builder().auth(ApiKeyLayer::new(scheme(), Flaky(None))).build().unwrap();
    let undecided = from_fn(|_, _| Verdict::Undecided(CAUSE.into()));
    let denied = AuthStack::builder().auth(keys(record())).require(undecided).build().unwrap();
    let open = AuthStack::builder().auth(keys(record())).build().unwrap();
    let handler = strict(|_| Rejection::new(RejectionKind::InvalidFields).cause(CAUSE).into_response());
    let key = HeaderValue::from_static(KEY);
    for (stack, status, cause) in [(down, 503, STORE_ERROR), (denied, 503, CAUSE), (open, 422, CAUSE)] {
        let logs = Logs::capture();
        let mut request = get("/", &[]);
        request.headers_mut().insert("x-api-key", key.clone());
        let response = stack.layer(handler.clone()).oneshot(request).await.unwrap();
        let mut out = Out::default();
        assert_eq!(response.status(), status);
        assert_eq!(Rejection::of(&response).unwrap().private_cause().unwrap().to_string(), cause);
        out.show(&(response.headers(), response.extensions(), Rejection::of(&response)));
        out.0 += &text(response).await;
        out.assert_clean();
        assert_eq!(logs.text().matches(cause).count(), 1, "once: {}", logs.text());
        assert!(!logs.text().contains(&KEY[3..20]));
    }
}

/// The search finds what it is there to find.
#[test]
#[should_panic(expected = "came out")]
fn r083_the_search_finds_five_letters_of_a_key() {
    Out(format!("a log line with {} in it", &KEY[20..25])).assert_clean();
}

/// All that is logged on this thread while it lives, down to TRACE.
pub(crate) struct Logs {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Logs {
    pub(crate) fn capture() -> Self {
        // With one subscriber alone, `tracing` asks the thread that meets a log line first, which may be another
        // test's.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| {
            Dispatch::new(tracing_subscriber::fmt().with_max_level(LevelFilter::ERROR).with_writer(io::sink).finish())
        });
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
