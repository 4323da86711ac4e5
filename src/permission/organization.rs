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

/// Where a request names the organisation that it is about.
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
    /// A header. A request without it, or with several, names no organisation and is denied: 403.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        let place = format!("the header {name}");
        Self::named(place, move |request| {
            let mut values = request.headers().get_all(&name).iter();
            let first = values.next().and_then(|value| value.to_str().ok());
            Some(first.filter(|_| values.next().is_none()).unwrap_or_default().to_owned())
        })
    }

    /// The path segment behind the segment of this name, as it stands in the request. A path in which the name stands
    /// twice, in whatever spelling, names no one organisation and is denied: 403. So is a path that could be read in two
    /// ways, such as one with `//`, `..` or `%2F`.
    ///
    /// It sees the path that is left where it is mounted: inside axum's `nest` the prefix is gone, so nothing is
    /// found, and every request is answered 500. There, take `OrgSource::axum_param` (feature `axum`). A
    /// percent-encoded id equals no id.
    #[must_use]
    pub fn path_after(segment: &str) -> Self {
        let name = segment.trim_matches('/').to_owned();
        Self::named(format!("the path segment after {name:?}"), move |request| {
            let path = request.path();
            let mut segments = path.split('/');
            segments.find(|segment| *segment == name)?;
            let organization = segments.next()?;
            // A handler may read the other one of two.
            let named = |path: &str| path.split('/').filter(|segment| reads_like(segment, name.as_bytes())).count();
            let ambiguous = ambiguity(path).is_some() || named(path) > 1 || named(original_path(request)) > 1;
            Some(if ambiguous { String::new() } else { organization.to_owned() })
        })
    }

    /// A field of the body, directly in its object, behind a [`StrictBodyLayer`](crate::StrictBodyLayer) (feature
    /// `strict-body`). Without that layer in front, nothing is found, and every request is answered 500; a body without
    /// the field, or in which it is no string, names no organisation and is denied: 403.
    ///
    /// The shape of the body has been told then to whoever may call at all: what must be hidden from other organisations
    /// is not for the shape to say.
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

    /// Any other place. `None` is a mounting error, 500 and never a grant; an empty text is a request that names no
    /// organisation, 403.
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

/// The caller is a member of the organisation that the request is about.
///
/// A request in which no organisation is found is answered 500: the policy stands where it cannot work.
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

/// A longer id than this is not shown whole to whoever sent it.
const SHOWN: usize = 128;

impl Permission for MemberOf {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready(match (self.0.find)(request) {
            // An empty name is no organisation, whatever a record says.
            Some(organization) if !organization.is_empty() && who.is_member_of(&organization) => Verdict::Granted,
            Some(organization) => {
                Verdict::Denied(Denial::new().organization(organization.chars().take(SHOWN).collect::<String>()))
            }
            None => Verdict::Misconfigured(
                format!(
                    "member_of found no organisation in {}; mount it on routes that have one (inside axum's nest the \
                     prefix of the path is gone: take OrgSource::axum_param there)",
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
