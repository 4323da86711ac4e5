//! The authentication of the Freddy API, as its document describes it, with a store in memory.
//!
//! ```sh
//! cargo run --example freddy -- --listen 127.0.0.1:8080
//! ```
//!
//! When the server is ready, it prints one line of JSON on standard output: its address, and a key of every kind to try.
//! Logs go to standard error. SIGTERM and SIGINT stop it. The time that a client takes to send a request's headers is not
//! limited: on the public internet, put a proxy in front of it.

#[path = "../common/mod.rs"]
mod common;
mod demo;
mod keys;
mod login;
mod options;
mod routes;
mod tokens;

use std::process::ExitCode;

use login::Users;
use options::Options;
use routes::Parts;
use tokens::Mint;
use tower_auth::{BoxError, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, Peppers};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match Options::parse(std::env::args().skip(1)) {
        Ok(options) => common::exit("freddy", serve(options).await),
        Err(complaint) => {
            eprintln!("freddy: {complaint}\n{}", options::USAGE);
            ExitCode::from(2)
        }
    }
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let scheme = KeyScheme::new(
        KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?.leading_hint(),
        Peppers::ephemeral()?,
    );
    let store = MemoryKeyStore::new();
    let registry = KeyRegistry::new(scheme.clone(), store.clone());
    let mut users = Users::new()?;
    let mint = Mint::new()?;
    let nothing = serde_json::json!({});
    let demo = if options.demo { demo::create(&scheme, &registry, &mut users, &mint).await? } else { nothing };
    let (tokens, _refresh) = tokens::layer(&mint, options.outside).await?;
    let failures = common::failures(options.failures, &options.proxies)?;
    let app = routes::app(Parts { scheme, store, registry, tokens, users, failures, limit: options.body_limit })?;
    common::serve(&options.listen, app, &demo).await
}
