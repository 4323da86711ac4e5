use std::{fmt, sync::Arc};

use http::HeaderName;

use super::{
    moved::original_path,
    path::{ambiguity, reads_like},
    policy::Permission,
    verdict::{Denial, PermissionFuture, Verdict},
};
#[cfg(feature = "strict-body")]
use crate::context::validated::ValidatedBytes;
use crate::{Principal, RequestHead};

type Find = dyn Fn(&RequestHead<'_>) -> Option<String> + Send + Sync;

/// The place in a request that names the organisation of the request.
///
/// ```
/// use tower_auth::{RequireLayer, permission::{OrgSource, member_of}};
///
/// // /v1/organizations/acme/projects
/// let layer = RequireLayer::new(member_of(OrgSource::path_after("organizations")));
/// ```
#[derive(Clone)]
pub struct OrgSource {
    find: Arc<Find>,
    place: String,
}

impl OrgSource {
    /// Reads the organisation from a header. A request without the header, or with several lines of it, is denied with
    /// 403.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        let place = format!("the header {name}");
        Self::named(place, move |request| {
            let mut values = request.headers().get_all(&name).iter();
            let first = values.next().and_then(|value| value.to_str().ok());
            Some(first.filter(|_| values.next().is_none()).unwrap_or_default().to_owned())
        })
    }

    /// Reads the organisation from the path segment after the segment with this name. The segment is not decoded, so a
    /// percent-encoded id matches no organisation. A path that contains the name twice, in any encoding, is denied with
    /// 403. An ambiguous path, such as one with `//`, `..` or `%2F`, is also denied with 403.
    ///
    /// The policy reads the path as it is where the policy is mounted. axum's `nest` removes the prefix, so the policy
    /// finds no organisation inside `nest`, and every request is answered 500. Use `OrgSource::axum_param` there
    /// (feature `axum`).
    #[must_use]
    pub fn path_after(segment: &str) -> Self {
        let name = segment.trim_matches('/').to_owned();
        Self::named(format!("the path segment after {name:?}"), move |request| {
            let path = request.path();
            let mut segments = path.split('/');
            segments.find(|segment| *segment == name)?;
            let organization = segments.next()?;
            // If the name occurs twice, the handler may read the other segment.
            let named = |path: &str| path.split('/').filter(|segment| reads_like(segment, name.as_bytes())).count();
            let ambiguous = ambiguity(path).is_some() || named(path) > 1 || named(original_path(request)) > 1;
            Some(if ambiguous { String::new() } else { organization.to_owned() })
        })
    }

    /// Reads the organisation from a top-level field of the body, behind a [`StrictBodyLayer`](crate::StrictBodyLayer)
    /// (feature `strict-body`). Without a `StrictBodyLayer`, every request is answered 500. A body without the field,
    /// or with a value that is not a string, is denied with 403.
    ///
    /// The body is validated before this policy is asked. Validation errors therefore disclose the shape of the body to
    /// callers of every organisation, so the shape must not contain anything confidential.
    ///
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower_auth::{RequireLayer, StrictBodyLayer, permission::{OrgSource, member_of}};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Prompt {
    ///     organization_id: String,
    ///     prompt: String,
    /// }
    ///
    /// let layers = ServiceBuilder::new()
    ///     .layer(StrictBodyLayer::<Prompt>::new()?)
    ///     .layer(RequireLayer::new(member_of(OrgSource::body_field("organization_id"))));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[cfg(feature = "strict-body")]
    #[must_use]
    pub fn body_field(name: &'static str) -> Self {
        Self::named(format!("the field {name:?} of the body"), move |request| {
            let body = request.extensions().get::<ValidatedBytes>()?;
            Some(body.text(name).unwrap_or_default())
        })
    }

    /// Reads the organisation with a closure. If the closure returns `None`, the policy is mounted on a wrong route,
    /// and the request is answered 500. An empty string means that the request names no organisation: 403.
    pub fn from_fn(find: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::named("the closure given to OrgSource::from_fn".to_owned(), find)
    }

    pub(crate) fn named(
        place: String,
        find: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { find: Arc::new(find), place }
    }
}

impl fmt::Debug for OrgSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrgSource").field(&self.place).finish()
    }
}

/// The policy of [`member_of`].
#[derive(Clone, Debug)]
pub struct MemberOf(OrgSource);

/// Returns a policy that requires the caller to be a member of the organisation that the request names.
///
/// If the request has no place for an organisation, the policy is mounted on a wrong route, and the request is answered
/// 500.
///
/// ```
/// use tower_auth::{RequireLayer, permission::{OrgSource, member_of}};
///
/// let layer = RequireLayer::new(member_of(OrgSource::header(http::HeaderName::from_static("x-organization-id"))));
/// ```
#[must_use]
pub const fn member_of(source: OrgSource) -> MemberOf {
    MemberOf(source)
}

/// The maximum number of characters of an id that a refusal repeats.
const SHOWN: usize = 128;

impl Permission for MemberOf {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready(match (self.0.find)(request) {
            // An empty name matches no organisation, even if a record contains one.
            Some(organization) if !organization.is_empty() && who.is_member_of(&organization) => Verdict::Granted,
            Some(organization) => {
                Verdict::Denied(Denial::new().organization(organization.chars().take(SHOWN).collect::<String>()))
            }
            None => Verdict::Misconfigured(
                format!(
                    "member_of found no organisation in {}; mount it on routes that have one (axum's nest removes the \
                     prefix of the path: use OrgSource::axum_param inside it)",
                    self.0.place
                )
                .into(),
            ),
        })
    }

    fn describe(&self) -> String {
        format!("member of {}", self.0.place)
    }
}
