use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use http::{Method, Version};

use super::{
    fresh::FreshRoutes,
    moved::is_moved,
    path::{ambiguity, is_encoded},
    pattern::Pattern,
    policy::Permission,
    segments::Segments,
};
use crate::{ConfigError, RequestHead, base::time_limit::TimeLimit, context::pass::UNASKED};

/// A table of what every method and path requires. A request that matches no rule is denied.
///
/// A rule is a method (`*` or none for any) and a path of whole segments. `{name}` and `*` match one segment that is
/// not empty. `**` at the end matches the rest of the path, which may be empty. The first rule that matches decides.
/// GET also matches HEAD. gRPC methods are paths: `/package.Service/Method`.
///
/// An ambiguous path (`//`, dot segments, `%2F` and the like, or an encoding that matches another rule when decoded) is
/// refused with 400, not normalised. A request that matches no rule is answered 404 (gRPC: `UNIMPLEMENTED`) if the
/// caller is authenticated. Any other caller gets 401, and cannot find out which routes exist. On a public route, no
/// credential is required, and a presented credential is not looked up.
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
/// - `/admin` does not match `/admin/`; `/admin/**` matches both. No layer between the table and the routes may rewrite
///   paths.
/// - Building the stack fails if an earlier rule matches every request of a later one, or if a rule has the parameter
///   syntax of another router, such as `:id`, `<id>` or `{*rest}`.
/// - gRPC methods are written without an HTTP method, because services that tonic generates answer to any method.
/// - A WebSocket over HTTP/2 or later is a CONNECT with a path (RFC 8441). Rules for GET match it, as over HTTP/1.1.
///   axum routes it with `any`, not with `get`. A plain CONNECT has no path and is refused with 400.
/// - A CORS preflight that the authentication [admits](crate::AuthLayer::allow_preflight) passes the table if a rule
///   makes its OPTIONS public. The preflight also passes if no rule matches its OPTIONS, [`otherwise`](Self::otherwise)
///   is not set, and a rule for another method matches its path. A rule that requires a policy for any method refuses
///   the preflight, because a handler for any method could run.
///
/// # When not to use it
///
/// Inside axum's `nest`, which removes the prefix of the path, or behind a path rewrite after an outer router has
/// chosen a route: there, every request is answered 500 (feature `axum`). Mount the stack around the whole router, or
/// see [`match_rewritten_path`](Self::match_rewritten_path).
#[derive(Clone, Default)]
#[must_use = "rules have no effect until they are given to a stack"]
pub struct Rules {
    pub(super) routes: Vec<(Pattern, Access)>,
    fresh: FreshRoutes,
    pub(super) otherwise: Option<Arc<dyn Permission>>,
    fault: Option<ConfigError>,
    pub(super) report_only: bool,
    pub(super) tells_scopes: bool,
    rewritten: bool,
    pub(super) limit: TimeLimit,
}

/// What a rule requires.
#[derive(Clone)]
pub(super) enum Access {
    Public,
    Requires(Arc<dyn Permission>),
}

/// The result of a lookup in the table.
pub(super) enum Found<'a> {
    Public,
    Requires(&'a Arc<dyn Permission>),
    Nothing,
    Ambiguous(&'static str),
    /// The path differs from the path by which a router chose the route.
    Moved,
}

impl Rules {
    /// Creates a table that denies everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a route public.
    ///
    /// An invalid pattern fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    pub fn public(self, pattern: &str) -> Self {
        self.rule(pattern, Access::Public)
    }

    /// Sets the policy of a route.
    ///
    /// An invalid pattern fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    pub fn require(self, pattern: &str, policy: impl Permission) -> Self {
        self.rule(pattern, Access::Requires(Arc::new(policy)))
    }

    /// Authenticates the requests of these routes by answers that are not from a cache, so that a key or token that was revoked
    /// within the bound of the cache is refused too: for the creation of keys, payouts, or exports.
    ///
    /// It grants and requires nothing: the rules decide as without it, and its place among them has no meaning. Keys are looked
    /// up with [`KeyStore::find_fresh`](crate::KeyStore::find_fresh), and tokens checked with
    /// `TokenRevocation::status_fresh`. An ambiguous path counts as a match. It is enforced also if the rules are
    /// [only reported](Self::report_only).
    ///
    /// An invalid pattern fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build), and so does one that no rule
    /// with a policy can match.
    ///
    /// ```
    /// use tower_auth::{Rules, permission::scope};
    ///
    /// let rules = Rules::new().require("/v1/**", scope("api")).fresh("POST /v1/keys").fresh("* /v1/payouts/**");
    /// assert_eq!(
    ///     rules.table(),
    ///     "*       /v1/**           scope api\n\
    ///      *       everything else  denied\n\
    ///      POST    /v1/keys         authenticated without a cache\n\
    ///      *       /v1/payouts/**   authenticated without a cache\n"
    /// );
    /// ```
    pub fn fresh(mut self, pattern: &str) -> Self {
        if let Err(fault) = Pattern::parse(pattern).and_then(|pattern| self.fresh.add(pattern)) {
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// Sets the policy for requests that match no rule, instead of denying them.
    pub fn otherwise(mut self, policy: impl Permission) -> Self {
        self.otherwise = Some(Arc::new(policy));
        self
    }

    /// Denies requests that match no rule. This is the default; call it to make the default explicit.
    pub fn otherwise_deny(mut self) -> Self {
        self.otherwise = None;
        self
    }

    /// Matches the current path, even if an axum router chose a route by another path. Use this setting if a layer
    /// behind such a route rewrites the path, or if the stack is around a router that is mounted with `nest_service`.
    /// Write the rules for the rewritten paths. Without this setting, such requests are answered 500.
    ///
    /// The setting is safe if the inner router chooses its route by the same path that the table reads: mount the stack
    /// around that whole router, `stack.layer(router)`, behind every path rewrite. The setting is not safe if the path
    /// is rewritten inside [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer), or inside
    /// `nest`: there the route is already chosen, and the table would decide about another route.
    ///
    /// The setting is not needed if the path is rewritten in front of all routers. It is also not needed if the path is
    /// rewritten between an outer router that matched no route (`fallback_service`) and an inner router that matches
    /// the rewritten path.
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

    /// Reports refusals to the log and the observer, but enforces none. Use it for a trial period before a table is
    /// enforced.
    pub fn report_only(mut self) -> Self {
        self.report_only = true;
        self
    }

    /// Returns the table as text, one rule a line, in the order of matching. Write it to the start-up log, or compare
    /// it in tests.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows: Vec<(String, String)> =
            self.routes.iter().map(|(pattern, access)| (pattern.to_string(), access.to_string())).collect();
        let otherwise = match &self.otherwise {
            Some(policy) => policy.describe(),
            None => "denied".to_owned(),
        };
        rows.push((format!("{:<7} everything else", "*"), otherwise));
        if self.report_only {
            for (_, access) in &mut rows {
                access.push_str("  (reported, not enforced)");
            }
        }
        rows.extend(self.fresh.iter().map(|pattern| (pattern.to_string(), "authenticated without a cache".to_owned())));
        let width = rows.iter().map(|(pattern, _)| pattern.len()).max().unwrap_or_default();
        rows.iter().fold(String::new(), |table, (pattern, access)| table + &format!("{pattern:<width$}  {access}\n"))
    }

    /// Sets how long a policy may take to decide.
    pub(crate) fn limited(mut self, limit: &TimeLimit) -> Self {
        self.limit = limit.clone();
        self
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)?;
        // What no rule denies is authenticated too.
        let rest = self.otherwise.is_some() || self.report_only;
        let judged = |(rule, access): &(Pattern, Access), fresh: &Pattern| match access {
            Access::Requires(_) if rule.overlaps(fresh) => Some(true),
            Access::Public if rule.covers(fresh) => Some(false),
            _ => None,
        };
        self.fresh.check(|fresh| self.routes.iter().find_map(|route| judged(route, fresh)).unwrap_or(rest))
    }

    /// Returns whether any request is authenticated by fresh answers.
    pub(crate) const fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Returns whether a request is authenticated by answers that are not from a cache.
    pub(crate) fn is_fresh(&self, request: &RequestHead<'_>) -> bool {
        (!self.rewritten && is_moved(request)) || self.fresh.matches(ruled_method(request), request.path())
    }

    /// Returns whether a request needs no authentication.
    pub(crate) fn is_public(&self, request: &RequestHead<'_>) -> bool {
        matches!(self.find(request), Found::Public)
    }

    /// Looks a request up in the table. Two guards of a gate call this. The second call reuses the result of the
    /// first.
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

    /// Looks a request up, and returns the index of the matching rule, if any.
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
        // axum routes by the path as written, and decodes the parameters. If the two forms match different rules, a
        // weaker rule could admit a request that a stronger rule refuses.
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

    /// Returns whether a rule that is limited to a method matches this path. Then the route is limited to a method too,
    /// and an OPTIONS that matches no rule reaches no handler of another method.
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

    /// Refuses a rule that can match no request, because it would have no effect.
    fn reachable(&self, pattern: Pattern) -> Result<Pattern, ConfigError> {
        match self.routes.iter().find(|(earlier, _)| earlier.covers(&pattern)) {
            None => Ok(pattern),
            Some((earlier, _)) => Err(ConfigError::new(
                format!(
                    "the rule {:?} has no effect: the rule {:?} above it matches every request that it matches",
                    pattern.written(),
                    earlier.written()
                ),
                "put the narrower rule above the wider one, or delete it",
            )),
        }
    }
}

/// Returns the method to match. A WebSocket over HTTP/2 or later is a CONNECT with a path (RFC 8441). It is matched as
/// GET, as over HTTP/1.1.
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
