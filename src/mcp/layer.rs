use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{service::McpScopesService, table::Table};
use crate::BodyLimits;

/// Requires the scopes of an MCP operation, by the body of the request. [`McpScopes`](super::McpScopes) builds it.
///
/// Place it inside the authentication, and around the MCP service. See the [module page](crate::mcp).
///
/// ```
/// use tower_auth::mcp::{McpScopes, McpScopesLayer};
///
/// let layer: McpScopesLayer = McpScopes::new().tool("notes_write", ["notes:write"]).build()?;
/// assert_eq!(layer.scopes().collect::<Vec<_>>(), ["notes:write"]);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct McpScopesLayer {
    table: Arc<Table>,
    limits: BodyLimits,
}

impl McpScopesLayer {
    pub(super) const fn new(table: Arc<Table>, limits: BodyLimits) -> Self {
        Self { table, limits }
    }

    /// Returns all scopes of the table, in the order of the rows. A protected resource may publish them as
    /// `scopes_supported`.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.table.scopes.iter().map(|scope| &*scope.name)
    }
}

impl<S> Layer<S> for McpScopesLayer {
    type Service = McpScopesService<S>;

    fn layer(&self, inner: S) -> McpScopesService<S> {
        McpScopesService::new(inner, Arc::clone(&self.table), self.limits.clone())
    }
}

impl fmt::Debug for McpScopesLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpScopesLayer").field("table", &self.table).field("limits", &self.limits).finish()
    }
}
