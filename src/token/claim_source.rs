//! Where the claims of a token have a value, and in which form.

use std::{borrow::Cow, fmt};

use crate::ConfigError;

use super::settings::check_claim;

/// Where the claims of a token have a value, and in which form.
///
/// A string is a source too: the name of a claim, or a JSON Pointer (RFC 6901) to a claim inside another, such as
/// `/realm_access/roles`. A pointer starts with a slash. Its value is a string, or for scopes, roles and organisations a
/// string or a list of strings. Every other form has a method here. A value of another form makes the token invalid,
/// unless [`ignore_other_types`](Self::ignore_other_types) is set.
///
/// ```
/// use tower_auth::{Secret, token::{Algorithm, ClaimSource, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
///     .audience("https://api.example.com")
///     .roles_from("/realm_access/roles")
///     .roles_from(ClaimSource::path(["resource_access", "billing", "roles"]).prefix("billing:"))
///     .organizations_from(ClaimSource::new("organization").member_names())
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a source does nothing until it is passed to a builder"]
pub struct ClaimSource {
    place: Place,
    pub(super) shape: Shape,
    pub(super) ignores: bool,
    pub(super) prefix: Option<Cow<'static, str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The name of a claim, or a pointer.
    Text(Cow<'static, str>),
    /// The names from the outermost claim to the innermost.
    Path(Vec<Cow<'static, str>>),
}

/// How the values of a list are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string or a list of strings. Scopes are separated by spaces too.
    Usual,
    Spaces,
    Commas,
    MemberNames,
    NameIfTrue,
}

impl ClaimSource {
    /// Reads the claim with this name, or the claim inside another at this JSON Pointer.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let roles = ClaimSource::new("/app_metadata/roles");
    /// assert_eq!(roles, "/app_metadata/roles".into());
    /// ```
    pub fn new(claim: impl Into<Cow<'static, str>>) -> Self {
        Self { place: Place::Text(claim.into()), shape: Shape::Usual, ignores: false, prefix: None }
    }

    /// Reads the claim with the first of these names, and in it the member with the second, and so on. Every name is
    /// taken as it is, with slashes, colons and dots.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let groups = ClaimSource::path(["cognito:groups"]);
    /// let roles = ClaimSource::path(["https://stytch.com/session", "roles"]);
    /// ```
    pub fn path<S: Into<Cow<'static, str>>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { place: Place::Path(names.into_iter().map(Into::into).collect()), ..Self::new("") }
    }

    /// Reads a string, or each string of a list, as values with spaces between them. For scopes this is the default.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let roles = ClaimSource::new("groups").space_separated(); // "staff admin"
    /// ```
    pub fn space_separated(self) -> Self {
        Self { shape: Shape::Spaces, ..self }
    }

    /// Reads a string, or each string of a list, as values with commas between them. Spaces around a value are dropped.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let permissions = ClaimSource::new("/o/per").comma_separated(); // "read,manage"
    /// ```
    pub fn comma_separated(self) -> Self {
        Self { shape: Shape::Commas, ..self }
    }

    /// Reads an object, or a list of objects: the values are the names of its members, in alphabetical order. A member
    /// that is `false` or `null` is left out, because issuers write so that something is not granted.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// // {"admin": {"163840776835432705": "acme.example.com"}}
    /// let roles = ClaimSource::new("urn:zitadel:iam:org:project:roles").member_names();
    /// ```
    pub fn member_names(self) -> Self {
        Self { shape: Shape::MemberNames, ..self }
    }

    /// Reads a boolean: if it is `true`, the one value is the name of the claim, and if it is `false`, there is none.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let role = ClaimSource::new("admin").name_if_true(); // the role "admin"
    /// ```
    pub fn name_if_true(self) -> Self {
        Self { shape: Shape::NameIfTrue, ..self }
    }

    /// Leaves out what is of another type: a claim then counts as missing, and an element of a list is dropped. By
    /// default the token is refused. A line of the log at the level `debug` names the claim.
    ///
    /// Use it where callers are admitted by the scopes and roles that they have, so that fewer of them admit to less.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let roles = ClaimSource::new("roles").ignore_other_types();
    /// ```
    pub fn ignore_other_types(self) -> Self {
        Self { ignores: true, ..self }
    }

    /// Puts this text before every value, so that values of two claims cannot be mistaken for each other. An empty value
    /// then counts as missing.
    ///
    /// ```
    /// use tower_auth::token::ClaimSource;
    ///
    /// let name = ClaimSource::new("common_name").prefix("service:"); // the subject "service:backup"
    /// ```
    pub fn prefix(self, prefix: impl Into<Cow<'static, str>>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Returns whether a string is read as it is.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.shape, Shape::Usual) && !self.ignores && self.prefix.is_none()
    }

    /// Converts the place to a name.
    ///
    /// # Errors
    /// If it is no place, or looks like another one than it is.
    pub(super) fn name(&self, method: &str) -> Result<Name, ConfigError> {
        match &self.place {
            Place::Text(text) => {
                check_claim(method, text)?;
                Ok(Name::of(text.clone()))
            }
            Place::Path(names) => match names.split_first() {
                Some((claim, inner)) if names.iter().all(|name| !name.trim().is_empty()) => {
                    let inside: String = inner.iter().flat_map(|name| ["/".to_owned(), escaped(name)]).collect();
                    Ok(Name { claim: claim.clone(), inside: (!inside.is_empty()).then_some(inside) })
                }
                _ => Err(ConfigError::new(
                    format!("TokenVerifierBuilder::{method} got a path {names:?}, which has an empty name or none"),
                    "use the names from the outermost claim to the innermost, such as [\"realm_access\", \"roles\"]",
                )),
            },
        }
    }
}

impl From<&'static str> for ClaimSource {
    fn from(claim: &'static str) -> Self {
        Self::new(claim)
    }
}

impl From<String> for ClaimSource {
    fn from(claim: String) -> Self {
        Self::new(claim)
    }
}

impl From<Cow<'static, str>> for ClaimSource {
    fn from(claim: Cow<'static, str>) -> Self {
        Self::new(claim)
    }
}

/// The name of a claim, and the way to a claim inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) claim: Cow<'static, str>,
    /// The part of a pointer after the first name.
    pub(super) inside: Option<String>,
}

impl Name {
    pub(super) const fn plain(claim: &'static str) -> Self {
        Self { claim: Cow::Borrowed(claim), inside: None }
    }

    fn of(text: Cow<'static, str>) -> Self {
        let Some(pointer) = text.strip_prefix('/') else { return Self { claim: text, inside: None } };
        let (first, inside) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
        Self { claim: unescaped(first).into(), inside: (!inside.is_empty()).then(|| inside.to_owned()) }
    }

    /// Returns the innermost name.
    pub(super) fn last(&self) -> Cow<'_, str> {
        match self.inside.as_deref().and_then(|inside| inside.rsplit('/').next()) {
            Some(last) => unescaped(last).into(),
            None => (&*self.claim).into(),
        }
    }
}

/// Writes a name as it is, and a place inside a claim as a pointer.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inside {
            None => f.write_str(&self.claim),
            Some(inside) => write!(f, "/{}{inside}", escaped(&self.claim)),
        }
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}
