//! The Freddy API's authentication, as its document describes it, over a store in memory.
//!
//! ```sh
//! cargo run --example freddy -- --listen 127.0.0.1:8080
//! ```
//!
//! When it is ready it prints one line of JSON on standard output: where it listens, and a key of every kind to try.
//! Logs go to standard error. SIGTERM and SIGINT stop it. It sets no limit to how slowly a client may send the head of
//! a request: in front of the world, put a proxy before it.

mod demo;
mod limits;
mod login;
mod options;
mod routes;
mod tokens;

use std::{io::Write as _, net::SocketAddr, process::ExitCode, time::Duration};

use login::Users;
use options::Options;
use tokens::Mint;
use tokio::net::TcpListener;
use tower_auth::{BoxError, KeyFormat, KeyScheme, MemoryKeyStore, Peppers};

/// How long requests that are under way may take when the server is told to stop.
const GRACE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("freddy: {complaint}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("freddy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let scheme = KeyScheme::new(KeyFormat::ak(), Peppers::ephemeral()?);
    let store = MemoryKeyStore::new();
    let mut users = Users::new()?;
    let mint = Mint::new()?;
    let demo = if options.demo { demo::create(&scheme, &store, &mut users, &mint)? } else { serde_json::json!({}) };
    let (tokens, _refresh) = tokens::layer(&mint, options.outside).await?;
    let limits = limits::Limited::new(options.failures, &options.proxies)?;
    let app = routes::app(scheme, store, tokens, users, options.body_limit, limits)?;

    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        format!("cannot listen on {}: {error}; choose another address with --listen", options.listen)
    })?;
    // Before anybody is told that it runs, it can be stopped.
    let stop = stop_signal()?;
    let ready = serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?), "demo": demo });
    writeln!(std::io::stdout(), "{ready}")?;

    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        drop(stopping);
    });
    let too_late = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => Ok(result?),
        () = too_late => {
            tracing::warn!("stopped with requests still under way");
            Ok(())
        }
    }
}

/// SIGINT or SIGTERM, from now on.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
