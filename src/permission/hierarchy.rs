use super::scopes::AnyScope;
use crate::ConfigError;

/// All scopes that exist, and which implies which. Nothing is implied unless it is declared here.
///
/// A scope that was not declared is an error when the service starts, so that a typing error opens or closes nothing.
///
/// ```
/// use tower_auth::{RequireLayer, permission::ScopeHierarchy};
///
/// let scopes = ScopeHierarchy::new(["read", "write", "admin", "webhook"])
///     .implies("admin", ["write"])?
///     .implies("write", ["read"])?;
/// let readers = RequireLayer::new(scopes.scope("read")?); // opens to read, write and admin
/// let hooks = RequireLayer::new(scopes.scope("webhook")?); // opens to webhook alone
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
    /// The scopes that exist.
    #[must_use]
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self { known: scopes.into_iter().map(Into::into).collect(), implied: Vec::new() }
    }

    /// Whoever has the first scope has the others too, and what they imply.
    ///
    /// # Errors
    /// When one of them was not declared.
    pub fn implies<'a>(mut self, scope: &str, others: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        self.declared(scope)?;
        for other in others {
            self.declared(other)?;
            self.implied.push((scope.to_owned(), other.to_owned()));
        }
        Ok(self)
    }

    /// The policy that asks for a scope: it opens to whoever has it, or one that implies it. A denial names the scope
    /// alone.
    ///
    /// # Errors
    /// When it was not declared.
    pub fn scope(&self, scope: &str) -> Result<AnyScope, ConfigError> {
        self.any_scope([scope])
    }

    /// The policy that asks for one of several scopes.
    ///
    /// # Errors
    /// When one of them was not declared.
    pub fn any_scope<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Result<AnyScope, ConfigError> {
        let mut told = Vec::new();
        for scope in scopes {
            self.declared(scope)?;
            told.push(scope.to_owned());
        }
        Ok(AnyScope::new(self.implying(told.clone()), told))
    }

    /// These scopes and all that imply one of them, round about too.
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
            format!("the scope {scope:?} was not declared"),
            format!("declare it in ScopeHierarchy::new, or take one of {}", self.known.join(", ")),
        ))
    }
}
