//! Code that the example servers share: start, the ready line, and stop.
#![allow(dead_code, reason = "not every server uses every function")]

pub(crate) mod database;

use std::{
    io::Write as _,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use axum::{Json, Router, routing::get};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower_auth::{
    AuthStack, BoxError, ClientIp, ConfigError, KeyRecord, KeyRegistry, KeyScheme, Plans, Principal, Quota,
    RateLimitLayer, Rejection, limit::Limits, registry::Holder,
};

pub(crate) const ORGANIZATION: &str = "org_demo";
pub(crate) const OTHER_ORGANIZATION: &str = "org_other";

/// How long requests in flight may take after a stop signal.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a server with `--listen` as its only option. `server` returns the routes and the demo part of the ready line.
pub(crate) async fn main(name: &str, server: impl AsyncFnOnce() -> Result<(Router, Value), BoxError>) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let listen = match &*words {
        [] => "127.0.0.1:8080",
        [option, address] if option == "--listen" => address,
        _ => {
            eprintln!("{name}: unknown argument {}\nusage: {name} [--listen ADDRESS:PORT]", words.join(" "));
            return ExitCode::from(2);
        }
    };
    exit(
        name,
        match server().await {
            Ok((app, demo)) => serve(listen, app, &demo).await,
            Err(error) => Err(error),
        },
    )
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

/// Prints the ready line on standard output, and serves until a stop signal.
pub(crate) async fn serve(listen: &str, app: Router, demo: &Value) -> Result<(), BoxError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}; choose another address with --listen"))?;
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

/// The actor that sets up the demo.
pub(crate) fn setup() -> Principal {
    Principal::builder("setup").build()
}

/// Returns a record of the demo's organisation with the standard plan and the scope `read`.
pub(crate) fn reader(name: &str) -> KeyRecord {
    KeyRecord::new(format!("key_{name}"), "acct_demo").organizations([ORGANIZATION]).plan("standard").scopes(["read"])
}

/// The account whose keys are refused.
const SUSPENDED: &str = "acct_suspended";

/// Returns the record of a key whose account is suspended when it is [adopted](adopt).
pub(crate) fn suspended() -> KeyRecord {
    KeyRecord::new("key_suspended", SUSPENDED).organizations([ORGANIZATION]).plan("standard").scopes(["read"])
}

/// Returns the record of a key with a low limit: ten requests in five seconds.
pub(crate) fn limited() -> Result<KeyRecord, ConfigError> {
    Ok(reader("limited").limits(Limits::new(Quota::new(10, Duration::from_secs(5)))?))
}

/// Returns the records of most servers. `admin` is the list of scopes of that API's admins.
pub(crate) fn records(admin: &[&str]) -> Result<Vec<(&'static str, KeyRecord)>, ConfigError> {
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    Ok(vec![
        ("read", reader("read")),
        ("write", reader("write").scopes(["read", "write"])),
        ("admin", reader("admin").scopes(admin.iter().copied()).roles(["admin"])),
        ("webhook", reader("webhook").scopes(["webhook"])),
        ("expired", reader("expired").expires_at(a_minute_ago)),
        ("suspended", suspended()),
        ("premium", reader("premium").plan("premium")),
        ("limited", limited()?),
    ])
}

/// Builds the router: `/health` is public, `private` is behind the guards, and any other path is 404 in the API's format.
pub(crate) fn app(private: Router, stack: &AuthStack) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .merge(private.layer(stack.guards()))
        .fallback(|| async { Rejection::not_found() })
        .layer(stack.envelope())
}

/// Generates a key for each record and returns the keys by name. They are new at every start, and shown on the ready line only.
pub(crate) async fn adopt(
    registry: &KeyRegistry,
    scheme: &KeyScheme,
    records: impl IntoIterator<Item = (&'static str, KeyRecord)>,
) -> Result<Map<String, Value>, BoxError> {
    let mut demo = Map::new();
    for (name, record) in records {
        let key = scheme.generate()?;
        registry.import(&setup(), name, &key, record).await?;
        demo.insert(name.to_owned(), key.expose().into());
    }
    registry.suspend(&setup(), Holder::account(SUSPENDED)).await?;
    Ok(demo)
}

/// Returns the limit by plan of all five documents. Every response has its headers.
pub(crate) fn plans() -> Result<RateLimitLayer, ConfigError> {
    let plans = Plans::new()
        .plan("standard", [Quota::per_minute(100), Quota::per_day(10_000)])
        .plan("premium", [Quota::per_minute(1_000), Quota::per_day(100_000)])
        .fallback("standard")
        .build()?;
    Ok(RateLimitLayer::by_plan(&plans).unix_reset())
}

/// Returns a budget of failed attempts per address. `proxies` are the networks of the proxies in front of the server.
pub(crate) fn failures(in_a_minute: u32, proxies: &[String]) -> Result<RateLimitLayer, ConfigError> {
    let client = if proxies.is_empty() { ClientIp::peer() } else { ClientIp::behind(proxies)? };
    Ok(RateLimitLayer::failures(Quota::per_minute(in_a_minute), client))
}
