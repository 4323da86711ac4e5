//! The scopes that a table of rules requires.

use super::{
    requirement::add,
    rules::{Access, Found, Rules},
};
use crate::{RequestHead, base::challenges::may_be_named};

impl Rules {
    /// Also names the scopes of the route in the challenge of a 401 (RFC 6750, section 3), so that a client asks for the right
    /// scopes at once. The challenge of a 403 always names them.
    ///
    /// Off by default, because a caller without a credential can then tell routes apart: those with scopes, and those that
    /// do not exist. Scopes that are the same for all routes need no such choice; see `BearerLayer::challenge_scopes`.
    ///
    /// ```
    /// use tower_auth::{Rules, permission::scope};
    ///
    /// let rules = Rules::new().require("POST /mcp", scope("notes:read")).challenge_scopes();
    /// ```
    pub const fn challenge_scopes(mut self) -> Self {
        self.tells_scopes = true;
        self
    }

    /// Returns the scopes that the policies of the table [require](super::Permission::requirement), each once, in the order
    /// of the rules. Of alternatives, it is one.
    ///
    /// ```
    /// use tower_auth::{Rules, permission::{Permission, any_scope, role, scope}};
    ///
    /// let rules = Rules::new()
    ///     .public("GET /health")
    ///     .require("GET /v1/**", scope("read"))
    ///     .require("* /v1/**", scope("read").and(any_scope(["write", "admin"])))
    ///     .otherwise(role("root"));
    /// assert_eq!(rules.scopes(), ["read", "write"]);
    /// ```
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        let mut all = Vec::new();
        let required = self.routes.iter().filter_map(|(_, access)| match access {
            Access::Public => None,
            Access::Requires(policy) => Some(policy),
        });
        for policy in required.chain(&self.otherwise) {
            add(&mut all, policy.requirement().into_parts().0);
        }
        all.retain(|scope| may_be_named(scope));
        all
    }

    pub(crate) const fn tells_scopes(&self) -> bool {
        self.tells_scopes
    }

    /// Returns the scopes that the rule for this request requires.
    pub(crate) fn scopes_of(&self, request: &RequestHead<'_>) -> Vec<String> {
        match self.find(request) {
            Found::Requires(policy) if !self.report_only => policy.requirement().into_parts().0,
            _ => Vec::new(),
        }
    }
}
