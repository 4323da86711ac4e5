//! An MCP server that clients discover and sign in to: the official SDK's server behind the stack, with scopes for each tool.
//!
//! ```console
//! $ cargo run --example mcp -- --demo-issuer          # the ready line shows the URL of the server, and tokens to try
//! $ curl -i localhost:8080/mcp -d '{}'                # 401; WWW-Authenticate names the metadata
//! $ curl localhost:8080/.well-known/oauth-protected-resource/mcp
//! $ curl -i localhost:8080/mcp -H "authorization: Bearer $READER" -H 'content-type: application/json' \
//!     -H 'accept: application/json, text/event-stream' \
//!     -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"notes_write","arguments":{"text":"hi"}}}'  # 403
//! ```
//!
//! `notes_list` needs the scope `notes:read`, `notes_write` needs `notes:read` and `notes:write`, and `whoami` any token. A client
//! such as the MCP Inspector registers itself at the demo issuer, which signs in a demo user without a question. For another
//! issuer, use `--issuer URL`; its tokens must have the URL of this server as their audience, or the one of `--audience`.

mod app;
#[path = "../common/mod.rs"]
mod common;
mod notes;
mod options;

use std::process::ExitCode;

use app::Site;
use common::Server;
use options::{Issuer, Options};
use serde_json::json;
use tower_auth::{BoxError, TokenVerifier, testing::TestIssuer};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match common::command_line("mcp", options::USAGE, Options::parse) {
        Ok(options) => common::exit("mcp", serve(options).await),
        Err(code) => code,
    }
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let listener = common::bind(&options.listen).await?;
    let public_url = match options.public_url {
        Some(url) => url,
        None => format!("http://{}", listener.local_addr()?),
    };
    let resource = format!("{public_url}/mcp");
    let audience = options.audience.unwrap_or_else(|| resource.clone());
    // It is served until this function ends.
    let demo_issuer = match options.issuer {
        Issuer::Demo => Some(TestIssuer::new().serve_for("demo-user").await),
        Issuer::At(_) => None,
    };
    let (issuer, tokens) = match (&demo_issuer, options.issuer) {
        (Some(server), _) => (server.url().to_owned(), server.issuer().verifier()),
        (None, Issuer::At(url)) => (url.clone(), TokenVerifier::discover(url).typ(options.types)),
        (None, Issuer::Demo) => return Err("the demo issuer was not started".into()),
    };
    let demo = demo_issuer.as_ref().map(|server| {
        let token = |scopes: &[&str]| server.issuer().token("demo-user").audience(&audience).scopes(scopes).sign();
        json!({
            "mcp": resource, "issuer": issuer, "any": token(&[]), "reader": token(&["notes:read"]),
            "writer": token(&["notes:read", "notes:write"]),
        })
    });
    let tokens = tokens.audience(&audience).build()?;
    let app = app::router(&Site { public_url, origins: options.origins }, tokens)?;
    common::serve(listener, Server { app, demo: demo.unwrap_or_default(), upkeep: Vec::new() }).await
}
