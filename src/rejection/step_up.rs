use std::time::Duration;

/// The login that a request needs: one of these classes, and at most this long ago (RFC 9470).
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Rejection, rejection::StepUp};
///
/// let needed = StepUp::new().acr_values(["urn:example:mfa"]).max_age(Duration::from_secs(300));
/// let refusal = Rejection::step_up(needed);
/// assert_eq!(
///     refusal.into_response::<()>().headers()["www-authenticate"],
///     r#"Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa", max_age="300""#
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it has no effect until it is given to a refusal"]
pub struct StepUp {
    pub(super) acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Requires a new login, of any class and age: the authorization server decides.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the classes of which the login needs one (`acr`), in order of preference.
    pub fn acr_values<S: Into<String>>(self, values: impl IntoIterator<Item = S>) -> Self {
        Self { acr_values: values.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets how long ago the login may be. Clients are told whole seconds, rounded down.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Returns what satisfies both: the classes that both name, and the shorter age. If no class satisfies both, those of
    /// the first are named.
    pub(crate) fn and(self, other: Self) -> Self {
        let both: Vec<String> =
            self.acr_values.iter().filter(|value| other.acr_values.contains(value)).cloned().collect();
        let acr_values = match (self.acr_values.is_empty(), both.is_empty()) {
            (true, _) => other.acr_values,
            (false, true) => self.acr_values,
            (false, false) => both,
        };
        Self { acr_values, max_age: self.max_age.into_iter().chain(other.max_age).min() }
    }

    pub(super) fn classes(&self) -> impl Iterator<Item = &str> {
        self.acr_values.iter().map(String::as_str)
    }

    pub(super) fn seconds(&self) -> Option<u64> {
        self.max_age.map(|age| age.as_secs())
    }
}
