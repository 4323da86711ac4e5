use crate::rejection::StepUp;

/// What a policy requires of a token, as far as a client can ask an authorization server for it: scopes, and a login.
///
/// Challenges name it, and the metadata of a protected resource list its scopes. It decides nothing.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::permission::{Permission, Requirement, logged_in_within, scope};
///
/// let policy = scope("pay").and(logged_in_within(Duration::from_secs(300))).and(scope("read").or(scope("admin")));
/// assert_eq!(policy.requirement().scopes(), ["pay", "read"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Requirement {
    scopes: Vec<String>,
    step_up: Option<StepUp>,
}

impl Requirement {
    /// Returns a requirement that no scope and no login satisfies, such as a role.
    pub fn nothing_to_ask_for() -> Self {
        Self::default()
    }

    /// Requires all of these scopes.
    pub fn of_scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self { scopes: scopes.into_iter().map(Into::into).collect(), step_up: None }
    }

    /// Requires this login.
    pub const fn of_login(login: StepUp) -> Self {
        Self { scopes: Vec::new(), step_up: Some(login) }
    }

    /// Returns what satisfies both: all scopes, and a login that is good for both.
    pub fn and(mut self, other: Self) -> Self {
        add(&mut self.scopes, other.scopes);
        self.step_up = match (self.step_up, other.step_up) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self
    }

    /// Returns one of both, because a client must not ask for more than it needs: the first that it can ask for.
    pub fn or(self, other: Self) -> Self {
        if self == Self::default() { other } else { self }
    }

    /// Returns the scopes, all of which are required.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    pub(super) fn into_parts(self) -> (Vec<String>, Option<StepUp>) {
        (self.scopes, self.step_up)
    }
}

/// Adds the scopes that are not among them yet.
pub(super) fn add(scopes: &mut Vec<String>, others: impl IntoIterator<Item = String>) {
    for scope in others {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
}
