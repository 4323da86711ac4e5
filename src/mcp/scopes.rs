//! The builder of the table.

use std::sync::Arc;

use super::{
    layer::McpScopesLayer,
    table::{COMPLETE, LISTEN, Names, Need, Scope, Table, union},
};
use crate::{BodyLimits, ConfigError, json::JsonLimits, permission::ScopeHierarchy};

/// What the tools, resources, prompts and methods of an MCP server require.
///
/// The [module page](crate::mcp) says how a message is classified.
///
/// ```
/// use tower_auth::mcp::McpScopes;
///
/// let scopes = McpScopes::new()
///     .tool("notes_list", ["notes:read"])
///     .tool("notes_write", ["notes:read", "notes:write"])
///     .tool("whoami", [])
///     .method("resources/read", ["notes:read"])
///     .resource("notes://archive", ["notes:read", "notes:archive"])
///     .prompt("summary", ["notes:read"])
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a table does nothing until `build`"]
pub struct McpScopes {
    rows: Vec<(Kind, String, Vec<String>)>,
    otherwise: Option<Vec<String>>,
    streams: Vec<String>,
    hierarchy: Option<ScopeHierarchy>,
    limits: BodyLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tool,
    Prompt,
    Resource,
    Method,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Method => "method",
        }
    }
}

/// The methods that need no scope unless a row says otherwise. They show what a server can do, or keep a connection alive.
const OPEN: [&str; 9] = [
    "initialize",
    "ping",
    "server/discover",
    "logging/setLevel",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    // The resources of its list are decided by their own rows.
    LISTEN,
];

/// The body that rmcp accepts by default.
const MOST_BYTES: usize = 4 << 20;

impl McpScopes {
    /// Creates a table without rows.
    pub fn new() -> Self {
        let json = JsonLimits::new().max_string_len(MOST_BYTES);
        Self {
            rows: Vec::new(),
            otherwise: None,
            streams: Vec::new(),
            hierarchy: None,
            limits: BodyLimits::new().max_bytes(MOST_BYTES).json(json),
        }
    }

    /// Sets the scopes that a call of this tool needs, all of them. With an empty list, it needs authentication only.
    pub fn tool<'a>(self, name: impl Into<String>, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.row(Kind::Tool, name.into(), scopes)
    }

    /// Sets the scopes that a prompt needs: to get it, and to complete its arguments.
    pub fn prompt<'a>(self, name: impl Into<String>, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.row(Kind::Prompt, name.into(), scopes)
    }

    /// Sets the scopes that a resource needs: to read it, to subscribe to it, also in the list of `subscriptions/listen`, to end
    /// the subscription, and to complete its arguments if the URI is a template. The URI is compared exactly. If there is such a row,
    /// a URI that could be another spelling of it needs every scope of the table.
    pub fn resource<'a>(self, uri: impl Into<String>, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.row(Kind::Resource, uri.into(), scopes)
    }

    /// Sets the scopes that a method needs. For `tools/call`, `prompts/get` and `resources/read`, it is what those tools,
    /// prompts and resources need that have no row.
    pub fn method<'a>(self, method: impl Into<String>, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.row(Kind::Method, method.into(), scopes)
    }

    /// Sets the scopes that an operation without a row needs. The default is every scope of the table.
    ///
    /// A message whose operation is not clear needs every scope of the table, whatever is set here.
    pub fn otherwise<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { otherwise: Some(owned(scopes)), ..self }
    }

    /// Sets the scopes that a request without a body needs: GET, with which older clients open a stream, and DELETE, which ends
    /// a session. By default, authentication only.
    pub fn streams<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { streams: owned(scopes), ..self }
    }

    /// Sets which scopes imply others: a caller with a broader scope needs not have the narrower one.
    ///
    /// ```
    /// use tower_auth::{mcp::McpScopes, permission::ScopeHierarchy};
    ///
    /// let hierarchy = ScopeHierarchy::new(["notes", "notes:read"]).implies("notes", ["notes:read"])?;
    /// let scopes = McpScopes::new().tool("notes_list", ["notes:read"]).hierarchy(hierarchy).build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn hierarchy(self, hierarchy: ScopeHierarchy) -> Self {
        Self { hierarchy: Some(hierarchy), ..self }
    }

    /// Sets the limits of a body. The default is 4 MiB, 10 s until it has arrived, and strings of 4 MiB.
    pub fn limits(self, limits: BodyLimits) -> Self {
        Self { limits, ..self }
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// - The table names no scope.
    /// - A tool, prompt, resource or method has two rows, or an empty name.
    /// - A scope has a character that a scope must not have, such as a space (RFC 6749, section 3.3).
    /// - A scope is not declared in the hierarchy.
    pub fn build(self) -> Result<McpScopesLayer, ConfigError> {
        let mut scopes = Vec::new();
        let (mut tools, mut prompts, mut resources) = (Names::default(), Names::default(), Names::default());
        let mut methods = Names::default();
        for (kind, name, row) in &self.rows {
            let need = places(&mut scopes, row, self.hierarchy.as_ref())?;
            let names = match kind {
                Kind::Tool => &mut tools,
                Kind::Prompt => &mut prompts,
                Kind::Resource => &mut resources,
                Kind::Method => &mut methods,
            };
            let kind = kind.words();
            if name.is_empty() {
                return Err(ConfigError::new(
                    format!("McpScopes::{kind} got an empty name"),
                    "use the name that the server gives to clients",
                ));
            }
            if !names.add(name.clone(), need) {
                return Err(ConfigError::new(
                    format!("McpScopes has two rows for the {kind} {name:?}"),
                    "write one row with all scopes that it needs",
                ));
            }
        }
        let streams = places(&mut scopes, &self.streams, self.hierarchy.as_ref())?;
        let otherwise = self.otherwise.as_deref();
        let otherwise = otherwise.map(|row| places(&mut scopes, row, self.hierarchy.as_ref())).transpose()?;
        if scopes.is_empty() {
            return Err(ConfigError::new(
                "McpScopes names no scope: every call would be let through",
                "add rows such as .tool(\"notes_write\", [\"notes:write\"]), or mount the stack without McpScopes",
            ));
        }
        for method in OPEN {
            if !methods.contains(method) {
                methods.add(method.to_owned(), Need::new());
            }
        }
        // The methods of tools, prompts and resources are known, so that one in other letters is not taken for another method.
        let everything: Need = (0..scopes.len()).collect();
        let otherwise = otherwise.unwrap_or_else(|| everything.clone());
        for method in
            ["tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe", COMPLETE]
        {
            if !methods.contains(method) {
                methods.add(method.to_owned(), otherwise.clone());
            }
        }
        let table = Table { scopes, tools, prompts, resources, methods, streams, otherwise, everything };
        Ok(McpScopesLayer::new(Arc::new(table), self.limits))
    }

    fn row<'a>(mut self, kind: Kind, name: String, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.rows.push((kind, name, owned(scopes)));
        self
    }
}

impl Default for McpScopes {
    fn default() -> Self {
        Self::new()
    }
}

fn owned<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    scopes.into_iter().map(str::to_owned).collect()
}

/// Returns the places of scopes. A new scope is added to the table.
fn places(all: &mut Vec<Scope>, row: &[String], hierarchy: Option<&ScopeHierarchy>) -> Result<Need, ConfigError> {
    let mut need = Need::new();
    for name in row {
        if let Some(place) = all.iter().position(|scope| scope.name == *name) {
            need.push(place);
            continue;
        }
        check(name)?;
        let accepted = match hierarchy {
            Some(hierarchy) => hierarchy.that_grant(name)?,
            None => vec![name.clone()],
        };
        need.push(all.len());
        all.push(Scope { name: name.clone(), accepted });
    }
    Ok(union([&*need].into_iter()))
}

fn check(scope: &str) -> Result<(), ConfigError> {
    let valid = |byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if !scope.is_empty() && scope.bytes().all(valid) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("McpScopes got {scope:?}, which is not a scope"),
        "use one scope an item, of visible ASCII without quotes and backslashes",
    ))
}
