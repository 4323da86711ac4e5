//! Keys in an existing table: hex SHA-256 in `PostgreSQL`. No key is re-issued and no row is migrated.
//!
//! A map stands for the table, so that the example needs no database. In a service, `Pool` is `deadpool_postgres::Pool`.
//! ```console
//! $ cargo run --example custom_store
//! $ curl localhost:8080/ -H 'x-api-key: legacy-token-0001-acme'        # 200, acme may read, write
//! $ curl localhost:8080/ -H 'x-api-key: legacy-token-0002-globex'      # 401 INVALID_API_KEY: disabled
//! $ curl localhost:8080/ -H 'x-api-key: legacy-token-0003-nobody'      # 401 INVALID_API_KEY: unknown
//! ```

use std::{collections::HashMap, sync::Arc};

use axum::{Router, routing::get};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, KeyDigest, KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyState, KeyStore,
    Principal, StoreFuture,
};

/// The complete store.
struct ApiTokens(Pool);

impl KeyStore for ApiTokens {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (pool, key) = (self.0.clone(), key.clone()); // the future owns its data
        StoreFuture::boxed(async move {
            // SELECT id::text, customer, scopes, disabled FROM api_tokens WHERE token_sha256 = ANY($1)
            let row = pool.query_opt(key.iter().map(KeyDigest::to_hex)).await?; // an error is 503, never 401
            Ok(row.map(|row| {
                let state = if row.disabled { KeyState::Revoked } else { KeyState::Active };
                KeyRecord::new(row.id, row.customer).scopes(row.scopes.iter().copied()).state(state)
            }))
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scheme = KeyScheme::sha256(KeyFormat::opaque(20)); // as in the table
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, ApiTokens(Pool::connect()))).build()?;
    let whoami = async |who: Principal| format!("{} may {}", who.subject(), who.scopes().join(", "));
    let app = Router::new().route("/", get(whoami)).layer(stack);
    let listener = tokio::net::TcpListener::bind(listen()).await?;
    println!("{}", serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?) }));
    Ok(axum::serve(listener, app).await?)
}

/// Stands for the database.
#[derive(Clone)]
struct Pool(Arc<HashMap<&'static str, Row>>);
#[derive(Clone)]
struct Row {
    id: &'static str,
    customer: &'static str,
    scopes: &'static [&'static str],
    disabled: bool,
}

impl Pool {
    fn connect() -> Self {
        let acme = Row { id: "1", customer: "acme", scopes: &["read", "write"], disabled: false };
        let globex = Row { id: "2", customer: "globex", disabled: true, ..acme.clone() };
        Self(Arc::new(HashMap::from([
            ("7a621db6cddf06e21328297d479042bb75a5b741009f841c7c9753c2c14c9a08", acme),
            ("ace6bd0f7b5337f40c12f0a1041caf40a295047cd301069bcb8a0b198ebf8500", globex),
        ])))
    }

    async fn query_opt(&self, mut digests: impl Iterator<Item = String>) -> Result<Option<Row>, std::io::Error> {
        tokio::task::yield_now().await; // the round trip to the database
        Ok(digests.find_map(|digest| self.0.get(&*digest).cloned()))
    }
}

/// Returns the address after `--listen`, or the default.
fn listen() -> String {
    std::env::args().skip_while(|word| word != "--listen").nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned())
}
