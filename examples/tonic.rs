//! tonic: one table of rules declares what every method requires. The health service is declared public.
//!
//! ```console
//! $ cargo run --example tonic
//! $ call() { printf '\0\0\0\0\0' | curl -i --http2-prior-knowledge -H 'content-type: application/grpc' -H te:trailers \
//!     --data-binary @- "localhost:8080/$@" --output -; }     # an empty message; read `grpc-status` in the response
//! $ call grpc.health.v1.Health/Check                                         # 0, no credential needed
//! $ call inventory.v1.Stock/Look                                             # 16 UNAUTHENTICATED
//! $ call inventory.v1.Stock/Look -H 'authorization: Bearer reader-key'       # 0
//! $ call inventory.v1.Stock/Reserve -H 'authorization: Bearer reader-key'    # 7 PERMISSION_DENIED
//! $ call inventory.v1.Stock/Reserve -H 'authorization: Bearer writer-key'    # 7, WRONG_ORG: the message names no organisation
//! $ call inventory.v1.Stock/Burn -H 'authorization: Bearer writer-key'       # 12 UNIMPLEMENTED: no rule matches
//! ```

#[path = "pb/inventory.rs"]
mod pb;

use pb::{
    Reply, Reserve,
    stock_server::{Stock, StockServer},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, ErrorEnvelopeLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, Rejection,
    RequestExt as _, Rules, permission::scope,
};

struct Inventory;

#[tonic::async_trait]
impl Stock for Inventory {
    async fn reserve(&self, request: Request<Reserve>) -> Result<Response<Reply>, Status> {
        let who = request.principal()?; // a Rejection converts into a Status with ErrorInfo
        if !who.is_member_of(&request.get_ref().org) {
            return Err(Rejection::custom(http::StatusCode::FORBIDDEN, "WRONG_ORG").message("Not your stock.").into());
        }
        Ok(Response::new(Reply { note: format!("{} for {}", request.get_ref().item, who.subject()) }))
    }

    async fn look(&self, _: Request<Reserve>) -> Result<Response<Reply>, Status> {
        Ok(Response::new(Reply { note: "plenty".to_owned() }))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (scheme, keys) = (KeyScheme::ephemeral(KeyFormat::opaque(8)), MemoryKeyStore::new());
    keys.insert(&scheme, "reader-key", KeyRecord::new("key_1", "ann").scopes(["stock:read"]))?;
    let writer = KeyRecord::new("key_2", "bob").scopes(["stock:read", "stock:write"]).organizations(["acme"]);
    keys.insert(&scheme, "writer-key", writer)?;
    let rules = Rules::new() // the first rule that matches decides
        .public("/grpc.health.v1.Health/*")
        .require("/inventory.v1.Stock/Reserve", scope("stock:write"))
        .require("/inventory.v1.Stock/Look", scope("stock:read"))
        .otherwise_deny();
    eprint!("{}", rules.table());
    let envelope = ErrorEnvelopeLayer::detailed().grpc_domain("inventory.example.com");
    let keys = ApiKeyLayer::new(scheme, keys).bearer();
    let stack = AuthStack::builder().envelope(envelope).auth(keys).rules(rules).build()?;

    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<StockServer<Inventory>>().await;
    let incoming = TcpIncoming::bind(listen().parse()?)?.with_nodelay(Some(true));
    println!("{}", serde_json::json!({ "listening": format!("http://{}", incoming.local_addr()?) }));
    let server = Server::builder().layer(stack).add_service(health).add_service(StockServer::new(Inventory));
    Ok(server.serve_with_incoming(incoming).await?)
}

/// Returns the address after `--listen`, or the default.
fn listen() -> String {
    std::env::args().skip_while(|word| word != "--listen").nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned())
}
