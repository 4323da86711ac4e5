//! The MCP server: three tools, which know who calls.
#![allow(clippy::needless_pass_by_value, clippy::unused_self, reason = "the SDK decides how it calls a tool")]

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{ServerCapabilities, ServerConfig},
    schemars,
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use tower_auth::Principal;

/// The notes of all callers: an owner, and a text.
pub(crate) type Store = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Clone)]
pub(crate) struct Notes {
    store: Store,
    tool_router: ToolRouter<Self>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Note {
    text: String,
}

impl Notes {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, tool_router: Self::tool_router() }
    }
}

/// Returns the caller of the request that carried the call, from the copy of its head that the SDK keeps. `McpScopes` has put it
/// there.
fn caller(context: &RequestContext<RoleServer>) -> Result<&Principal, ErrorData> {
    let head = context.extensions.get::<http::request::Parts>();
    let who = head.and_then(|head| head.extensions.get::<Principal>());
    who.ok_or_else(|| ErrorData::internal_error("the call has no caller", None))
}

#[tool_router]
impl Notes {
    #[tool(description = "List your notes")]
    fn notes_list(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let who = caller(&context)?;
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let own: Vec<&str> =
            store.iter().filter(|(owner, _)| owner == who.subject()).map(|(_, text)| &**text).collect();
        Ok(own.join("\n"))
    }

    #[tool(description = "Write a note")]
    fn notes_write(
        &self,
        Parameters(note): Parameters<Note>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let owner = caller(&context)?.subject().to_owned();
        self.store.lock().unwrap_or_else(PoisonError::into_inner).push((owner, note.text));
        Ok("written".to_owned())
    }

    #[tool(description = "Show who you are")]
    fn whoami(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        Ok(caller(&context)?.subject().to_owned())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
