//! Scopes for the tools of an MCP server: a call needs the scopes of its tool (feature `mcp`).
//!
//! All calls of an MCP server (Model Context Protocol) are POST requests to one path, so a table of paths cannot tell them
//! apart. [`McpScopes`] is a table of tools, prompts, resources and methods. Its layer reads the JSON-RPC message in the body,
//! requires the scopes of the operation, and passes the same bytes on:
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_auth::{AuthStack, Principal, mcp::McpScopes, testing::FakeAuth};
//! # type Body = http_body_util::Full<bytes::Bytes>;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let reader = Principal::builder("alice").scopes(["notes:read"]).build();
//! let stack = AuthStack::builder().auth(FakeAuth::always(reader)).build()?;
//! let scopes = McpScopes::new()
//!     .tool("notes_list", ["notes:read"])
//!     .tool("notes_write", ["notes:read", "notes:write"])
//!     .tool("whoami", [])
//!     .build()?;
//!
//! let server = service_fn(|_: Request<_>| async { Ok::<_, std::convert::Infallible>(Response::new(Body::default())) });
//! let app = stack.layer(scopes.layer(server));
//! for (tool, status) in [("notes_list", 200), ("whoami", 200), ("notes_write", 403), ("unlisted", 403)] {
//!     let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
//!     let request = Request::post("/mcp").header("content-type", "application/json").body(Body::from(call)).unwrap();
//!     assert_eq!(app.clone().oneshot(request).await.unwrap().status().as_u16(), status);
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # How a message is classified
//!
//! | message | it needs |
//! |---|---|
//! | `tools/call`, `prompts/get` with a `params.name` that has a row; `resources/read`, `resources/subscribe`, `resources/unsubscribe` with a `params.uri` that has a row; `completion/complete` with a `params.ref` whose `name` or `uri` has a row | the scopes of the row, all of them |
//! | one of these methods with another name or URI | the scopes of the row of the method; without such a row, [`otherwise`](McpScopes::otherwise) |
//! | `subscriptions/listen` | what `resources/read` needs of each URI in `params.notifications.resourceSubscriptions`, and the row of the method, if there is one; with a list of more than 256 URIs or of another type, every scope of the table |
//! | `initialize`, `ping`, `server/discover`, `logging/setLevel`, `tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`, `notifications/…` without an `id` | authentication, unless the method has a row |
//! | any other method | the scopes of its row; without one, `otherwise`: by default every scope of the table |
//! | an answer of the client: `result` or `error`, and no `method` | authentication |
//! | a batch: an array of up to 256 messages | the scopes of all its messages together |
//! | anything else: no `method`, a `method` or name that is not a string, a missing name, an empty or nested batch, a number | every scope of the table |
//! | GET, DELETE and other requests without a body | authentication, unless [`streams`](McpScopes::streams) says more |
//!
//! Names are compared exactly, with their case. A name that differs from a name of the table only in case, or in space around
//! it, needs every scope, because a lenient server could take the one for the other. The same holds for a member such as
//! `Method` next to or instead of `method`, and, if the table has a resource, for a URI with an encoding, a query, dot segments
//! or empty segments, and for a template without a row.
//!
//! The body is read [strictly](crate::json): a name that occurs twice in an object, a byte order mark, another encoding than
//! UTF-8 or data behind the value is refused with 400, so that the server cannot read another operation from the same bytes.
//! A media type that is not JSON, and a content coding, are refused with 415, and a body over 4 MiB with 413, as by
//! [`strict_body`](crate::strict_body).
//!
//! # Headers
//!
//! `Mcp-Method` and `Mcp-Name` name the operation too (also as `=?base64?…?=`). They can refuse a request before its body has
//! arrived, and never admit one. A body that says something else than these headers is refused with 400 in every version of
//! the protocol, because something in front of the service may have decided by the headers. Missing headers are the server's
//! to refuse: only it knows the version.
//!
//! # Refusals
//!
//! A caller that lacks a scope gets 403. A caller with a token gets a challenge with `error="insufficient_scope"`, whose `scope`
//! has every scope that the operation needs, so that a client can ask for all of them at once (RFC 6750, section 3.1). The
//! authentication in front adds its `resource_metadata` (`BearerLayer::resource_metadata`). An
//! [envelope](crate::ErrorEnvelopeLayer) in front adds the body. A broader scope counts for a narrower one if
//! [`hierarchy`](McpScopes::hierarchy) says so.
//!
//! # The caller in a tool
//!
//! An MCP server gives its tools a copy of the request's head, and a copy has no caller: `principal()` fails there. The layer
//! therefore also puts the [`Principal`](crate::Principal) into the extensions, where the copy keeps it. A tool reads it from
//! the head that the server hands over, such as the `http::request::Parts` of the official SDK:
//!
//! ```
//! use tower_auth::Principal;
//!
//! fn caller(head: &http::request::Parts) -> Option<&Principal> {
//!     head.extensions.get()
//! }
//! ```
//!
//! The caller is that of the request that carried the call, also within a session of an older version. A session id is no
//! credential: whoever has a token may use any session id that the server knows.
//!
//! # Where to place it
//!
//! Place it inside the authentication, and directly around the MCP service: no layer in between may change the body. The
//! response is not touched, so streams pass as they are made.
//!
//! # When not to use it
//!
//! - Arguments are not read. A tool that needs another scope for some arguments decides itself, with a
//!   [`LateRefusal`](crate::LateRefusal) before the response starts.
//! - A stream that is opened with GET, and the result of a task (`tasks/get`), carry what another request has asked for. If
//!   callers with different scopes can share a session, set [`streams`](McpScopes::streams), and give these methods rows.

mod decide;
mod future;
mod head;
mod layer;
mod member;
mod message;
mod scopes;
mod service;
mod table;

pub use self::{future::ResponseFuture, layer::McpScopesLayer, scopes::McpScopes, service::McpScopesService};
