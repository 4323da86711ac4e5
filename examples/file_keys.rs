//! Keys and plans in a TOML file. People edit the file, and the service follows it.
//!
//! ```console
//! $ export PEPPERS=1:$(openssl rand -hex 32)             # keep it: without the pepper, no key of the file is valid
//! $ cargo run --features file --example file_keys -- mint ci acme        # prints a key once, and a table
//! $ $EDITOR keys.toml                                                    # paste the table; chmod 600 keys.toml
//! $ cargo run --features file --example file_keys -- serve keys.toml
//! $ curl localhost:8080/ -H 'x-api-key: ak_…'           # 200, and 401 a second after the table is deleted
//! $ kill -HUP $(pidof file_keys)                         # reads the file at once
//! ```

use axum::{Router, routing::get};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, FileKeyStore, KeyFormat, KeyScheme, Peppers, Principal, RateLimitLayer,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, Peppers::from_env("PEPPERS")?);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["mint", id, account] => mint(&scheme, id, account),
        ["serve", path] => serve(scheme, path, "127.0.0.1:8080").await,
        ["--listen", address, "serve", path] => serve(scheme, path, address).await,
        _ => Err("mint <id> <account>, or serve <path>".into()),
    }
}

fn mint(scheme: &KeyScheme, id: &str, account: &str) -> Result<(), BoxError> {
    let (key, table) = FileKeyStore::mint(scheme, id, account)?;
    eprintln!("The key, which cannot be shown again: {}", key.expose());
    println!("{table}");
    Ok(())
}

async fn serve(scheme: KeyScheme, path: &str, address: &str) -> Result<(), BoxError> {
    let keys = FileKeyStore::open(path)?;
    let follow = keys.start();
    let stack = AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, keys.clone()))
        .limit(RateLimitLayer::by_plan(&keys.plans()?))
        .build()?;
    let health = keys.clone();
    let app = Router::new()
        .route("/", get(async |who: Principal| format!("hello {}", who.subject())))
        .layer(stack)
        .route("/health", get(async move || health.health().to_string()));
    #[cfg(unix)]
    tokio::spawn(reload_on_hangup(keys));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{}", serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?) }));
    axum::serve(listener, app).await?;
    follow.stop().await;
    Ok(())
}

#[cfg(unix)]
async fn reload_on_hangup(keys: FileKeyStore) -> Result<(), BoxError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        // A wrong file is logged, and the keys and plans from before stay in force.
        let _ = keys.reload();
    }
    Ok(())
}
