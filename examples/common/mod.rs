//! Code that the example servers share: start, the ready line, and stop.
#![allow(dead_code, reason = "not every server uses every function")]

pub(crate) mod cache;
pub(crate) mod caller;
pub(crate) mod database;
pub(crate) mod demo;
pub(crate) mod keys;
pub(crate) mod options;
pub(crate) mod sessions;
pub(crate) mod sharing;
pub(crate) mod time;
pub(crate) mod watch;
pub(crate) mod webhook;

use std::{io::Write as _, net::SocketAddr, process::ExitCode, time::Duration, vec::IntoIter};

use axum::{Extension, Json, Router, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_auth::{AuthStack, BoxError, ClientIp, ConfigError, Plans, Quota, RateLimitLayer, Rejection, Task};

use options::{Also, Options};

/// How long requests in flight, and then the upkeep of the keys, may take after a stop signal.
const GRACE: Duration = Duration::from_secs(3);

const STANDARD: [Quota; 2] = [Quota::per_minute(100), Quota::per_day(10_000)];
const PREMIUM: [Quota; 2] = [Quota::per_minute(1_000), Quota::per_day(100_000)];

/// A server that can be served.
pub(crate) struct Server {
    pub(crate) app: Router,
    /// The demo part of the ready line.
    pub(crate) demo: Value,
    /// In the order in which the tasks are stopped.
    pub(crate) upkeep: Vec<Task>,
}

/// Runs a server with the common options.
pub(crate) async fn main(name: &str, server: impl AsyncFnOnce(Options) -> Result<Server, BoxError>) -> ExitCode {
    start(name, Also::Nothing, server).await
}

/// Runs a server with the common options, and those of alerts.
pub(crate) async fn main_alerting(
    name: &str,
    server: impl AsyncFnOnce(Options) -> Result<Server, BoxError>,
) -> ExitCode {
    start(name, Also::Alerts, server).await
}

/// Runs a server with the common options, and that of the issuer of its tokens.
pub(crate) async fn main_issuing(
    name: &str,
    server: impl AsyncFnOnce(Options) -> Result<Server, BoxError>,
) -> ExitCode {
    start(name, Also::PublicUrl, server).await
}

async fn start(name: &str, also: Also, server: impl AsyncFnOnce(Options) -> Result<Server, BoxError>) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match command_line(name, &options::usage(name, also), |words| Options::parse(words, also)) {
        Ok(options) => exit(name, run(options, server).await),
        Err(code) => code,
    }
}

async fn run(
    mut options: Options,
    server: impl AsyncFnOnce(Options) -> Result<Server, BoxError>,
) -> Result<(), BoxError> {
    let listener = bind(&options.listen).await?;
    options.listen = listener.local_addr()?.to_string();
    serve(listener, server(options).await?).await
}

/// Takes the address of the server. This comes first: a second start on the same address must fail before it revokes the demo
/// keys of the server that runs.
pub(crate) async fn bind(listen: &str) -> Result<TcpListener, BoxError> {
    let bound = TcpListener::bind(listen).await;
    Ok(bound.map_err(|error| format!("cannot listen on {listen}: {error}; choose another address with --listen"))?)
}

/// Reads the command line. After `--help`, or if it is wrong, the process ends with the returned code.
pub(crate) fn command_line<T>(
    name: &str,
    usage: &str,
    parse: impl FnOnce(IntoIter<String>) -> Result<T, String>,
) -> Result<T, ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        println!("{usage}");
        return Err(ExitCode::SUCCESS);
    }
    parse(words.into_iter()).map_err(|complaint| {
        eprintln!("{name}: {complaint}\n{usage}");
        ExitCode::from(2)
    })
}

pub(crate) fn exit(name: &str, served: Result<(), BoxError>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the ready line on standard output, serves until a stop signal, and ends the upkeep of the keys.
pub(crate) async fn serve(listener: TcpListener, server: Server) -> Result<(), BoxError> {
    let Server { app, demo, upkeep } = server;
    let outcome = answer(listener, app, &demo).await;
    // A database that does not answer must not keep the process from ending.
    let stopped = async {
        for task in upkeep {
            task.stop().await;
        }
    };
    if tokio::time::timeout(GRACE, stopped).await.is_err() {
        tracing::warn!("stopped before the last uses of keys were written, or the last alerts delivered");
    }
    outcome
}

async fn answer(listener: TcpListener, app: Router, demo: &Value) -> Result<(), BoxError> {
    // The signal handlers are installed before the ready line, so that a reader of that line can stop the server.
    let stop = stop_signal()?;
    let ready = json!({ "listening": format!("http://{}", listener.local_addr()?), "demo": demo });
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
            tracing::warn!("stopped with requests still in flight");
            Ok(())
        }
    }
}

/// Listens for SIGINT and SIGTERM from now on.
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

/// One body for two kinds of client: this API's own clients read `models`, the others read `data`.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(crate) async fn models() -> Json<Value> {
    const MODELS: [(&str, &str); 2] = [("ftg-3.0", "Freddy 3.0"), ("ftg-3.0-speed", "Freddy 3.0 Speed")];
    let own = MODELS.iter().map(|(key, name)| {
        json!({
            "id": format!("model_{key}"), "key": key, "name": name, "is_visible_in_ui": true, "is_deprecated": false,
            "availability_status": "available",
        })
    });
    let data =
        MODELS.iter().map(|(key, _)| json!({ "id": key, "object": "model", "created": 0, "owned_by": "freddy" }));
    Json(json!({
        "models": own.collect::<Value>(), "total_count": MODELS.len(), "data": data.collect::<Value>(), "object": "list",
    }))
}

/// Builds the router: `/health` is public, `private` is behind the guards, and any other path is 404 in the API's format. No
/// proxy stands in front of it.
pub(crate) fn app(private: Router, stack: &AuthStack) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .merge(private.layer(Extension(ClientIp::peer())).layer(stack.guards()))
        .fallback(|| async { Rejection::not_found() })
        .layer(stack.envelope())
}

/// Returns the limit by plan of all five documents. Every response has its headers.
pub(crate) fn plans() -> Result<RateLimitLayer, ConfigError> {
    by_plan(STANDARD, PREMIUM)
}

/// Returns the same limits, and a budget of the premium plan for each calendar month. If there is a database, a restart does not
/// reset it. Without the database, requests that it must count are refused: callers of the standard plan need no database.
pub(crate) fn monthly_plans() -> Result<RateLimitLayer, ConfigError> {
    by_plan(STANDARD, PREMIUM.into_iter().chain([Quota::per_calendar_month(2_000_000)]))
}

fn by_plan(
    standard: impl IntoIterator<Item = Quota>,
    premium: impl IntoIterator<Item = Quota>,
) -> Result<RateLimitLayer, ConfigError> {
    let plans = Plans::new().plan("standard", standard).plan("premium", premium).fallback("standard").build()?;
    Ok(RateLimitLayer::by_plan(&plans).unix_reset())
}

/// Returns a budget of failed attempts per address.
pub(crate) fn failures(in_a_minute: u32, client: ClientIp) -> RateLimitLayer {
    RateLimitLayer::failures(Quota::per_minute(in_a_minute), client)
}
