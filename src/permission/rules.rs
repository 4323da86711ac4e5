use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use http::{Method, Version};

use super::{
    moved::is_moved,
    path::{ambiguity, is_encoded},
    pattern::Pattern,
    policy::Permission,
    segments::Segments,
};
use crate::{ConfigError, RequestHead, base::time_limit::TimeLimit, context::pass::UNASKED};

/// One table that says what every method and path requires; whatever is not in it is denied.
///
/// A rule is a method (`*` or none for any) and a path of whole segments: `{name}` and `*` stand for one segment that
/// is not empty, `**` at the end for all that is left, also nothing. The first rule that matches decides. GET means
/// HEAD too. gRPC methods are paths: `/package.Service/Method`.
///
/// A path that two readers could read in two ways (`//`, dot segments, `%2F` and the like, or an encoding that means
/// another rule when it is decoded) is refused with 400, not normalised. A request that no rule means is 404 (gRPC:
/// `UNIMPLEMENTED`) for a known caller and 401 for anybody else, so that a stranger learns nothing. A public route
/// asks for no credential and looks none up.
///
/// ```
/// use tower_auth::{ApiKeyLayer, AuthStack, Rules, Secret, permission::{any_scope, scope}};
///
/// let rules = Rules::new()
///     .public("GET /health")
///     .require("GET /v1/organizations/{org}/projects", scope("read"))
///     .require("* /v1/organizations/{org}/projects/**", any_scope(["write", "admin"]))
///     .otherwise_deny();
/// assert_eq!(
///     rules.table(),
///     "GET     /health                              public\n\
///      GET     /v1/organizations/{org}/projects     scope read\n\
///      *       /v1/organizations/{org}/projects/**  scope write or admin\n\
///      *       everything else                      denied\n"
/// );
/// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let stack = AuthStack::builder().auth(keys).rules(rules).build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What to know
///
/// - `/admin` is not `/admin/`; `/admin/**` means both. Nothing that rewrites paths may stand between the table and
///   the routes.
/// - A rule that an earlier one covers wholly is refused when the stack is built, as are `:id`, `<id>`, `{*rest}` and other
///   routers' ways to write a parameter.
/// - gRPC methods are written without an HTTP method: services that tonic generates answer to any.
/// - A WebSocket over HTTP/2 or later is a CONNECT with a path (RFC 8441) and is ruled as GET, which it is over HTTP/1.1.
///   axum routes it with `any`, not with `get`. A plain CONNECT has no path and is refused with 400.
/// - A CORS preflight that the authentication [lets pass](crate::AuthLayer::allow_preflight) passes the table where the OPTIONS
///   itself is public; or where no rule means it, nothing is said with [`otherwise`](Self::otherwise), and a rule for
///   another method means its path. Behind a rule for any method, a handler for any method could run for it.
///
/// # When not to use it
///
/// Inside axum's `nest`, where the prefix of the path is gone: every request is answered 500 there (feature `axum`), as
/// where the path was rewritten behind a route of an outer router. Mount the stack around the whole router, or see
/// [`match_rewritten_path`](Self::match_rewritten_path).
#[derive(Clone, Default)]
#[must_use = "rules do nothing until a stack has them"]
pub struct Rules {
    routes: Vec<(Pattern, Access)>,
    otherwise: Option<Arc<dyn Permission>>,
    fault: Option<ConfigError>,
    pub(super) report_only: bool,
    rewritten: bool,
    pub(super) limit: TimeLimit,
}

/// What a request needs.
#[derive(Clone)]
pub(super) enum Access {
    Public,
    Requires(Arc<dyn Permission>),
}

/// What the table says of a request.
pub(super) enum Found<'a> {
    Public,
    Requires(&'a Arc<dyn Permission>),
    Nothing,
    Ambiguous(&'static str),
    /// It has another path than the one by which a router has chosen its route.
    Moved,
}

impl Rules {
    /// A table that denies everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a route to anybody.
    ///
    /// A pattern that cannot be read fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    pub fn public(self, pattern: &str) -> Self {
        self.rule(pattern, Access::Public)
    }

    /// What a route requires.
    ///
    /// A pattern that cannot be read fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    pub fn require(self, pattern: &str, policy: impl Permission) -> Self {
        self.rule(pattern, Access::Requires(Arc::new(policy)))
    }

    /// What everything requires that no rule means, instead of being denied.
    pub fn otherwise(mut self, policy: impl Permission) -> Self {
        self.otherwise = Some(Arc::new(policy));
        self
    }

    /// Denies everything that no rule means, which is the default: for the reader of the table.
    pub fn otherwise_deny(mut self) -> Self {
        self.otherwise = None;
        self
    }

    /// Decides by the path as it is now, also where a router of axum has seen another one and chosen a route by it: because
    /// the path was rewritten behind that route, or because the stack stands around a router that is mounted with
    /// `nest_service`. The rules are written for the rewritten paths. Without this, such requests are answered 500.
    ///
    /// It is safe where the router behind the table chooses its route by the path that the table reads: where the stack is
    /// mounted around that router as a whole, `stack.layer(router)`, behind whatever rewrites. It is not safe where something
    /// rewrites inside [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer), or `nest` stands
    /// in front: there the route has been chosen already, and the table would decide about another one.
    ///
    /// Nothing has to be said where the rewriting stands in front of all routers, or behind an outer router that matched no
    /// route (`fallback_service`) and in front of an inner one that matches the rewritten path.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower::Layer;
    /// use tower_auth::*;
    ///
    /// # fn app(keys: ApiKeyLayer) -> Result<(), ConfigError> {
    /// let rules = Rules::new().public("GET /health").match_rewritten_path(); // not /api/health
    /// let stack = AuthStack::builder().auth(keys).rules(rules).build()?;
    /// let api = Router::new().route("/health", get(|| async { "ok" }));
    /// let app: Router = Router::new().nest_service("/api", stack.layer(api));
    /// # Ok(())
    /// # }
    /// ```
    pub fn match_rewritten_path(mut self) -> Self {
        self.rewritten = true;
        self
    }

    /// Decides, tells the log and the observer, and lets pass: for the weeks before a table is enforced.
    pub fn report_only(mut self) -> Self {
        self.report_only = true;
        self
    }

    /// The table as text, one rule a line in the order in which they are asked: for the log at start-up, and for a
    /// test.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows: Vec<(String, String)> =
            self.routes.iter().map(|(pattern, access)| (pattern.to_string(), access.to_string())).collect();
        let otherwise = match &self.otherwise {
            Some(policy) => policy.describe(),
            None => "denied".to_owned(),
        };
        rows.push((format!("{:<7} everything else", "*"), otherwise));
        let report = if self.report_only { "  (reported, not enforced)" } else { "" };
        let width = rows.iter().map(|(pattern, _)| pattern.len()).max().unwrap_or_default();
        rows.iter()
            .fold(String::new(), |table, (pattern, access)| table + &format!("{pattern:<width$}  {access}{report}\n"))
    }

    /// How long a policy may take to decide.
    pub(crate) fn limited(mut self, limit: &TimeLimit) -> Self {
        self.limit = limit.clone();
        self
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Whether a request may go on without anybody being asked who it is from.
    pub(crate) fn is_public(&self, request: &RequestHead<'_>) -> bool {
        matches!(self.find(request), Found::Public)
    }

    /// What the table says of a request. Two guards of one gate ask, and the second is told what the first found.
    #[inline]
    pub(super) fn find(&self, request: &RequestHead<'_>) -> Found<'_> {
        let Some(pass) = request.pass() else { return self.look_up(request).0 };
        match pass.rule.load(Ordering::Relaxed) {
            UNASKED => {
                let (found, place) = self.look_up(request);
                pass.rule.store(place.unwrap_or(UNASKED), Ordering::Relaxed);
                found
            }
            place => self.at(place),
        }
    }

    /// The same, and the place of the rule in the table, if one means the request.
    fn look_up(&self, request: &RequestHead<'_>) -> (Found<'_>, Option<usize>) {
        let path = request.path();
        if !self.rewritten && is_moved(request) {
            return (Found::Moved, None);
        }
        if let Some(what) = ambiguity(path) {
            return (Found::Ambiguous(what), None);
        }
        let method = ruled_method(request);
        let first = self.first(|pattern, asked| pattern.matches(method, asked), path);
        // axum routes by the path as it is written and shows its parameters decoded: where the two readings mean
        // different rules, a weaker one could open what a stronger one closes.
        if is_encoded(path) && first != self.first(|pattern, asked| pattern.matches_decoded(method, asked), path) {
            return (Found::Ambiguous("an encoding that means another rule"), None);
        }
        match first {
            Some(place) => (self.at(place), first),
            None => (self.otherwise.as_ref().map_or(Found::Nothing, Found::Requires), None),
        }
    }

    fn at(&self, place: usize) -> Found<'_> {
        match self.routes.get(place) {
            Some((_, Access::Public)) => Found::Public,
            Some((_, Access::Requires(policy))) => Found::Requires(policy),
            None => Found::Nothing,
        }
    }

    /// Whether a rule that is bound to a method means this path: then so is the route behind it, and an OPTIONS that no
    /// rule means reaches no handler of another method.
    pub(super) fn knows_path(&self, request: &RequestHead<'_>) -> bool {
        let Some(asked) = Segments::of(request.path()) else { return false };
        self.routes.iter().any(|(pattern, _)| pattern.means_path_for_a_method(&asked))
    }

    #[inline]
    fn first(&self, meant: impl Fn(&Pattern, &Segments<'_>) -> bool, path: &str) -> Option<usize> {
        let asked = Segments::of(path)?;
        self.routes.iter().position(|(pattern, _)| meant(pattern, &asked))
    }

    fn rule(mut self, pattern: &str, access: Access) -> Self {
        match Pattern::parse(pattern).and_then(|pattern| self.reachable(pattern)) {
            Ok(pattern) => self.routes.push((pattern, access)),
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// A rule that no request can reach protects nothing, or opens nothing.
    fn reachable(&self, pattern: Pattern) -> Result<Pattern, ConfigError> {
        match self.routes.iter().find(|(earlier, _)| earlier.covers(&pattern)) {
            None => Ok(pattern),
            Some((earlier, _)) => Err(ConfigError::new(
                format!(
                    "the rule {:?} decides nothing: the rule {:?} above it means every request that it means",
                    pattern.written(),
                    earlier.written()
                ),
                "put the narrower rule above the wider one, or delete it",
            )),
        }
    }
}

/// The method by which a request is ruled. A WebSocket over HTTP/2 or later is a CONNECT with a path (RFC 8441), where it
/// is a GET over HTTP/1.1.
fn ruled_method<'a>(request: &RequestHead<'a>) -> &'a Method {
    let extended =
        *request.method() == Method::CONNECT && request.version() >= Version::HTTP_2 && request.path().starts_with('/');
    if extended { &Method::GET } else { request.method() }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Requires(policy) => f.write_str(&policy.describe()),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table())
    }
}
