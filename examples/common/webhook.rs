//! Alerts as signed webhooks, as the Standard Webhooks specification (version 1.0.0) describes them.
//!
//! A receiver gets `{"type": "key.limit_used", "timestamp": …, "data": …}` with three headers: `webhook-id`, the id of the alert,
//! which is the same each time that the alert is delivered; `webhook-timestamp`, the time of the attempt in Unix seconds; and
//! `webhook-signature`, `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`. A 2xx answer within ten seconds is a
//! success. After anything else the library delivers the alert again, for three days.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    http::{Request, Uri, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use sha2::Sha256;
use tower_auth::{BoxError, ConfigError, alerts::Alert};

/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The sizes of a secret that the specification allows, in bytes.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;
const PREFIX: &str = "whsec_";

/// Where alerts are posted. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Webhook {
    url: Uri,
    /// The state of the signature after the secret was read.
    signature: Hmac<Sha256>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Webhook {
    /// Reads the secret, or makes one if the file does not exist.
    pub(crate) fn new(url: &str, secret: &Path) -> Result<Self, BoxError> {
        let url = checked(url)?;
        let signature = Hmac::new_from_slice(&self::secret(secret)?)?;
        // One provider is chosen here, because the process may have several.
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|error| format!("alerts cannot be posted over HTTPS: {error}; install ca-certificates"))?;
        let client = Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
        Ok(Self { url, signature, client })
    }

    /// Posts an alert. Redirects are not followed: the receiver would be another one than the operator has named.
    pub(crate) async fn post(&self, alert: &Alert) -> Result<(), BoxError> {
        let request = self.request(alert, SystemTime::now())?;
        let late = || format!("the receiver of the webhook has not answered within {} s", PATIENCE.as_secs());
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await.map_err(|_| late())??;
        if response.status().is_success() {
            return Ok(());
        }
        Err(format!("the receiver of the webhook has answered {}", response.status().as_u16()).into())
    }

    fn request(&self, alert: &Alert, now: SystemTime) -> Result<Request<Body>, BoxError> {
        let data = alert.to_json();
        let body = json!({ "type": format!("key.{}", alert.kind), "timestamp": data["at"], "data": data }).to_string();
        let timestamp = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut signature = self.signature.clone();
        signature.update(format!("{}.{timestamp}.{body}", alert.id).as_bytes());
        let signature = STANDARD.encode(signature.finalize().into_bytes());
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &*alert.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", format!("v1,{signature}"));
        Ok(request.body(Body::from(body))?)
    }
}

/// Checks the URL. Errors do not show it: it may contain a password or a token.
fn checked(url: &str) -> Result<Uri, ConfigError> {
    let wrong = |what: &str, help: &'static str| ConfigError::new(format!("the URL of --alerts-webhook {what}"), help);
    let example = "write a full URL, such as https://alerts.example.com/keys";
    let uri: Uri = url.parse().map_err(|_| wrong("is no URL", example))?;
    let authority = uri.authority().ok_or_else(|| wrong("has no host", example))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has a user name", "remove it: the signature shows the receiver who has sent the alert"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_this_machine(authority.host()) => Ok(uri),
        Some("http") => {
            Err(wrong("is plain HTTP over a network", "use https://, because alerts name keys and accounts"))
        }
        _ => Err(wrong("is neither https:// nor http://", example)),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Returns the secret in the file, which is made if it does not exist.
fn secret(path: &Path) -> Result<Vec<u8>, BoxError> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(file) => made(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(format!("cannot make the file {} of --alerts-secret: {error}", path.display()).into()),
    }
}

fn made(mut file: File) -> Result<Vec<u8>, BoxError> {
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret)?;
    writeln!(file, "{PREFIX}{}", STANDARD.encode(&secret))?;
    file.sync_all()?;
    Ok(secret)
}

fn read(path: &Path) -> Result<Vec<u8>, BoxError> {
    let shown = path.display();
    let failed = |error| format!("cannot read the file {shown} of --alerts-secret: {error}");
    let mut file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    if is_open_to_others(&file)? {
        return Err(
            format!("others than its owner can use the file {shown} of --alerts-secret; chmod 600 '{shown}'").into()
        );
    }
    let secret = text.trim().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let secret = secret.filter(|secret| SIZES.contains(&secret.len()));
    let help = "write whsec_ and the base64 of 24 to 64 random bytes, or remove the file: a start makes it";
    Ok(secret.ok_or_else(|| format!("the file {shown} of --alerts-secret has no secret of a webhook; {help}"))?)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}
