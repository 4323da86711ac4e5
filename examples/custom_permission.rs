//! A permission that asks a policy service, and what callers see when it grants, denies, fails or hangs.
//!
//! ```console
//! $ cargo run --example custom_permission
//! $ curl localhost:8080/documents/ann/diary -H 'x-api-key: ann-key'       # 200: the policy grants
//! $ curl localhost:8080/documents/bob/diary -H 'x-api-key: ann-key'       # 403: the policy denies
//! $ curl localhost:8080/documents/broken -H 'x-api-key: ann-key'          # 503, Retry-After: the policy fails
//! $ curl localhost:8080/documents/slow -H 'x-api-key: ann-key'            # 503, Retry-After: the policy does not answer
//! $ curl localhost:8080/documents/broken -H 'x-api-key: root-key'         # 200: root needs no question to the policy
//! $ curl localhost:8080/documents/ann/diary -H 'x-api-key: guest-key'     # 403: no scope, so the policy is not asked
//! ```

use std::{io, time::Duration};

use axum::{Router, routing::get};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, Permission, Principal,
    RequestHead,
    permission::{Denial, PermissionFuture, Verdict, scope},
};

impl Permission for PolicyService {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        if who.has_scope("root") {
            return PermissionFuture::ready(Verdict::Granted); // no allocation if the service is not asked
        }
        // The future owns its data. It may be dropped at any await.
        let (service, subject, path) = (self.clone(), who.subject().to_owned(), request.path().to_owned());
        PermissionFuture::boxed(async move {
            match service.allows(&subject, &path).await {
                Ok(true) => Verdict::Granted,
                Ok(false) => Verdict::Denied(Denial::new().role("owner")),
                Err(error) => Verdict::Undecided(error.into()), // 503 with Retry-After, never 403
            }
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (scheme, keys) = (KeyScheme::ephemeral(KeyFormat::opaque(7)), MemoryKeyStore::new());
    for (key, subject, scopes) in
        [("ann-key", "ann", &["read"][..]), ("root-key", "root", &["read", "root"]), ("guest-key", "guest", &[])]
    {
        keys.insert(&scheme, key, KeyRecord::new(key, subject).scopes(scopes.iter().copied()))?;
    }
    let stack = AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, keys))
        .require(scope("read").and(PolicyService)) // the cheap check first: if it denies, the service is not asked
        .decision_timeout(Duration::from_millis(250)) // a later answer is 503 with Retry-After, like an error
        .build()?;
    let app = Router::new().route("/documents/{*name}", get(|| async { "Dear diary" })).layer(stack);

    let listener = tokio::net::TcpListener::bind(listen()).await?;
    println!("{}", serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?) }));
    Ok(axum::serve(listener, app).await?)
}

/// Stands for the client of a policy service, such as a `reqwest::Client` and a URL.
#[derive(Clone)]
struct PolicyService;

impl PolicyService {
    async fn allows(&self, subject: &str, path: &str) -> io::Result<bool> {
        match path {
            "/documents/broken" => Err(io::Error::other("the policy service answered 500")),
            "/documents/slow" => std::future::pending().await,
            _ => Ok(path.starts_with(&format!("/documents/{subject}/"))),
        }
    }
}

/// Returns the address after `--listen`, or the default.
fn listen() -> String {
    std::env::args().skip_while(|word| word != "--listen").nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned())
}
