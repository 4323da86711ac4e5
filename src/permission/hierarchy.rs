use super::scopes::AnyScope;
use crate::ConfigError;

/// Declares all scopes, and which scopes imply others. No scope implies another unless it is declared here.
///
/// Using an undeclared scope is an error when the service starts, so that a typing error does not grant or deny access.
///
/// ```
/// use tower_auth::{RequireLayer, permission::ScopeHierarchy};
///
/// let scopes = ScopeHierarchy::new(["read", "write", "admin", "webhook"])
///     .implies("admin", ["write"])?
///     .implies("write", ["read"])?;
/// let readers = RequireLayer::new(scopes.scope("read")?); // granted to read, write and admin
/// let hooks = RequireLayer::new(scopes.scope("webhook")?); // granted to webhook only
/// assert!(scopes.scope("raed").is_err());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScopeHierarchy {
    known: Vec<String>,
    /// Pairs of a scope and one that it implies directly.
    implied: Vec<(String, String)>,
}

impl ScopeHierarchy {
    /// Declares the scopes that exist.
    #[must_use]
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self { known: scopes.into_iter().map(Into::into).collect(), implied: Vec::new() }
    }

    /// Declares that a scope implies the others, and every scope that the others imply.
    ///
    /// # Errors
    /// If one of the scopes is not declared.
    pub fn implies<'a>(mut self, scope: &str, others: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        self.declared(scope)?;
        for other in others {
            self.declared(other)?;
            self.implied.push((scope.to_owned(), other.to_owned()));
        }
        Ok(self)
    }

    /// Returns a policy that requires this scope, or a scope that implies it. A denial names only this scope.
    ///
    /// # Errors
    /// If the scope is not declared.
    pub fn scope(&self, scope: &str) -> Result<AnyScope, ConfigError> {
        self.any_scope([scope])
    }

    /// Returns a policy that requires one of these scopes, or a scope that implies one of them.
    ///
    /// # Errors
    /// If one of the scopes is not declared.
    pub fn any_scope<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Result<AnyScope, ConfigError> {
        let mut told = Vec::new();
        for scope in scopes {
            self.declared(scope)?;
            told.push(scope.to_owned());
        }
        Ok(AnyScope::new(self.implying(told.clone()), told))
    }

    /// Returns this scope and all scopes that imply it.
    #[cfg(feature = "mcp")]
    pub(crate) fn that_grant(&self, scope: &str) -> Result<Vec<String>, ConfigError> {
        self.declared(scope)?;
        Ok(self.implying(vec![scope.to_owned()]))
    }

    /// Returns these scopes and all scopes that imply one of them, directly or indirectly.
    fn implying(&self, mut scopes: Vec<String>) -> Vec<String> {
        let mut next = 0;
        while next < scopes.len() {
            for (stronger, weaker) in &self.implied {
                if *weaker == scopes[next] && !scopes.contains(stronger) {
                    scopes.push(stronger.clone());
                }
            }
            next += 1;
        }
        scopes
    }

    fn declared(&self, scope: &str) -> Result<(), ConfigError> {
        if self.known.iter().any(|known| known == scope) {
            return Ok(());
        }
        Err(ConfigError::new(
            format!("the scope {scope:?} is not declared"),
            format!("declare it in ScopeHierarchy::new, or use one of {}", self.known.join(", ")),
        ))
    }
}
