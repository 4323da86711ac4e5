//! A stack with all parts, the credentials that it accepts, and the handler further in.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{Router, body::Body, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, ClientIp, ErrorEnvelopeLayer, KeyFormat, KeyRecord, KeyScheme,
    MemoryKeyStore, Peppers, Plans, Quota, RateLimitLayer, Rules,
    permission::{any_scope, scope},
};

use super::{
    end_to_end::Asked,
    issuer::{AUDIENCE, ISSUER, KID, SECRET, now, verifier},
};

/// The body of every response.
pub(crate) const BODY: &str = r#"{"id":"7","object":"model","owned_by":"acme"}"#;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const KEY: &str = "ak_1234567890abcdef1234567890abcdef12345678";
const OTHER_KEYS: usize = 1_000;
const PLAN: &str = "standard";
/// Requests per minute: a limit that no client of the benchmark reaches.
const AMPLE: u32 = 4_000_000_000;

/// Returns a request with the key.
pub(crate) fn with_key() -> Asked {
    Asked::with("x-api-key", KEY)
}

/// Returns a request with a token that is valid for a day.
pub(crate) fn with_token() -> Asked {
    let now = now();
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(KID.to_owned());
    let claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user_4711",
        "client_id": "web",
        "exp": now + 24 * 3600,
        "iat": now - 3600,
        "jti": "9e3779b9",
        "scope": "read write",
    });
    let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).expect("the key signs");
    Asked::with("authorization", &format!("Bearer {token}"))
}

/// Returns the key that verifies the token, as a JSON Web Key Set.
pub(crate) fn jwks() -> String {
    let key = URL_SAFE_NO_PAD.encode(SECRET);
    json!({ "keys": [{ "kty": "oct", "k": key, "kid": KID, "alg": "HS256", "use": "sig" }] }).to_string()
}

/// Returns a layer that verifies the token of every request.
pub(crate) fn verified() -> BearerLayer {
    BearerLayer::new(verifier(&jwks()).build().expect("the verifier is complete"))
}

/// Returns a layer that caches verified tokens.
pub(crate) fn remembered() -> BearerLayer {
    BearerLayer::new(verifier(&jwks()).cache(1024).build().expect("the verifier is complete"))
}

/// Returns `OTHER_KEYS` keys, and the key that is presented.
pub(crate) fn known_keys() -> impl Iterator<Item = String> {
    (0..OTHER_KEYS).map(|n| format!("ak_{n:040}")).chain([KEY.to_owned()])
}

/// Returns a layer with the known keys in memory.
pub(crate) fn keys() -> ApiKeyLayer {
    let scheme = KeyScheme::new(
        KeyFormat::prefixed("ak", 40).expect("the prefix has letters only").without_checksum(),
        Peppers::new(1, [7; 32]).expect("the pepper is not all zeros"),
    );
    let store = MemoryKeyStore::new();
    for key in known_keys() {
        let record = KeyRecord::new("key_1", "acme").scopes(["read"]).plan(PLAN);
        store.insert(&scheme, &key, record).expect("the key has the format");
    }
    ApiKeyLayer::new(scheme, store)
}

/// Returns a stack with all parts except strict bodies.
pub(crate) fn whole(auth: impl Into<AuthLayer>) -> AuthStack {
    AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .limit(RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()))
        .auth(auth)
        .rules(rules())
        .limit(RateLimitLayer::by_plan(&plans()).unix_reset())
        .build()
        .expect("the stack is complete")
}

/// Returns ten rules. The ninth rule matches the request.
fn rules() -> Rules {
    Rules::new()
        .public("GET /health")
        .public("GET /v1/openapi.json")
        .require("GET /v1/organizations/{org}/projects", scope("read"))
        .require("* /v1/organizations/{org}/projects/**", any_scope(["write", "admin"]))
        .require("POST /v1/files", scope("write"))
        .require("GET /v1/files/{id}", scope("read"))
        .require("DELETE /v1/files/{id}", scope("admin"))
        .require("GET /v1/models", scope("read"))
        .require("GET /v1/models/{id}", scope("read"))
        .require("* /v1/admin/**", scope("admin"))
        .otherwise_deny()
}

fn plans() -> Plans {
    let plans = Plans::new().plan(PLAN, Quota::per_minute(AMPLE)).plan("premium", Quota::per_minute(AMPLE));
    plans.fallback(PLAN).build().expect("the plans are valid")
}

/// Returns a router with the handler that all stacks call.
pub(crate) fn bare() -> Router {
    telling(Told::default())
}

/// Returns the same router, with a handler that writes the headers of a stack. Their values are cheap: the numbers come
/// from a counter and not from a limit or a clock.
pub(crate) fn telling(told: Told) -> Router {
    Router::new().route("/v1/models/{id}", get(async move || answer(told)))
}

fn answer(told: Told) -> Response<Body> {
    let mut response = Response::new(Body::from(BODY));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    told.write(headers);
    response
}

/// Selects headers of a stack.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    /// `vary` and `cache-control`, for keys in their own header.
    pub(crate) cache: bool,
    /// `x-request-id`, for an envelope.
    pub(crate) id: bool,
    /// `x-ratelimit-limit`, `-remaining` and `-reset`, for a limit.
    pub(crate) limit: bool,
}

const ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Told {
    pub(crate) fn names(self) -> Vec<&'static str> {
        let groups: [(bool, &[&str]); 3] = [
            (self.cache, &["vary", "cache-control"]),
            (self.id, &["x-request-id"]),
            (self.limit, &["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        ];
        groups.into_iter().filter(|(told, _)| *told).flat_map(|(_, names)| names).copied().collect()
    }

    pub(crate) fn write(self, headers: &mut HeaderMap) {
        static COUNT: AtomicU64 = AtomicU64::new(1_800_000_000);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if self.cache {
            headers.insert(header::VARY, HeaderValue::from_static("x-api-key"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        if self.limit {
            headers.insert(LIMIT, AMPLE.into());
            headers.insert(REMAINING, (u64::from(AMPLE) - count % 1_000_000_000).into());
            headers.insert(RESET, count.into());
        }
        if self.id {
            headers.insert(ID, HeaderValue::from_bytes(&uuid(count)).expect("a UUID is ASCII"));
        }
    }
}

/// Converts a count to a UUID that looks random.
fn uuid(count: u64) -> [u8; 36] {
    let high = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = high.rotate_left(32).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let mut bytes = [high.to_be_bytes(), low.to_be_bytes()].into_iter().flatten();
    let mut text = [b'-'; 36];
    for place in [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] {
        let byte = bytes.next().unwrap_or_default();
        text[place] = digit(byte >> 4);
        text[place + 1] = digit(byte & 15);
    }
    text
}

const fn digit(half: u8) -> u8 {
    b"0123456789abcdef"[half as usize]
}
