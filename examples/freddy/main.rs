//! The authentication of the Freddy API, as its document describes it, with the keys in memory or in a database.
//!
//! ```sh
//! cargo run --example freddy -- --listen 127.0.0.1:8080
//! cargo run --example freddy -- --database sqlite:keys.db --secrets peppers.txt
//! ```
//!
//! A key is exchanged for tokens with `POST /v1/auth/token`, a user signs in with `POST /v1/auth/login`, and both refresh and log
//! out with `POST /v1/auth/refresh` and `POST /v1/auth/logout`. A page of the same origin signs in with `"cookie": true` in the body:
//! its tokens are in cookies that no script can read. The token of a member of the demo's organisation that the external
//! issuer has issued (`--jwks`) is exchanged for one that may read (RFC 8693).
//!
//! With a database, the server creates its tables when it starts. A service in production calls `check_schema` there, and
//! `migrate` when it is deployed. Several processes may share a database and a file of secrets: all but one run with `--no-demo`, and all
//! with the same `--public-url`, which is the issuer of their tokens. With `--redis`, they also count their limits together.
//!
//! When the server is ready, it prints one line of JSON on standard output: its address, and a key of every kind to try.
//! Logs go to standard error. SIGTERM and SIGINT stop it. The time that a client takes to send a request's headers is not
//! limited: on the public internet, put a proxy in front of it.

#[path = "../common/mod.rs"]
mod common;
mod demo;
mod keys;
mod leaks;
mod list;
mod login;
mod options;
mod routes;
mod tokens;

use std::process::ExitCode;

use common::{Server, watch::Watch};
use login::Users;
use options::Options;
use routes::Parts;
use tower_auth::{BoxError, ClientIp, KeyFormat};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match common::command_line("freddy", &options::usage(), Options::parse) {
        Ok(options) => common::exit("freddy", serve(options).await),
        Err(code) => code,
    }
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let listener = common::bind(&options.listen).await?;
    let format = KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?.leading_hint();
    let keys = options.storage.open(format).await?;
    let address = options.public_url.or_of(listener.local_addr()?);
    let outside = match options.outside {
        Some(outside) => Some(tokens::of_issuer(outside).await?),
        None => None,
    };
    let others = outside.as_ref().map(|(tokens, _)| tokens.clone());
    let sessions = keys.sessions(&address, others.clone().map(tokens::members_may_read)).await?;
    let mut users = Users::new()?;
    let people = options.demo.then(|| demo::people(&mut users, &sessions)).transpose()?;
    let client = if options.proxies.is_empty() { ClientIp::peer() } else { ClientIp::behind(options.proxies)? };
    let leaks = options.github_keys.map(|file| leaks::reports(&keys, &file)).transpose()?;
    let watch = Watch::new(&keys, common::monthly_plans()?.x_retry_after(), options.alerting.webhook()?)?;
    let app = routes::app(Parts {
        scheme: keys.scheme.clone(),
        store: keys.store.clone(),
        registry: keys.registry.clone(),
        front: keys.front.clone(),
        sharing: keys.sharing.clone(),
        watch: watch.clone(),
        sessions: sessions.clone(),
        address,
        others,
        users,
        failures: keys.sharing.failures(common::failures(options.failures, client.clone())),
        client,
        limit: options.body_limit,
        leaks,
    })?;
    // Last, because it revokes the demo keys of earlier starts: a wrong option has ended the process by now.
    let demo = match people {
        Some(people) => demo::create(&keys, people).await?,
        None => serde_json::json!({}),
    };
    let mut upkeep = watch.start(keys.upkeep);
    upkeep.push(sessions.start());
    common::serve(listener, Server { app, demo, upkeep }).await
}
