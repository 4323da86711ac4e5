use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::{
    ConfigError, Rejection, RequestHead, Secret,
    base::{challenge::is_token, credential::Cookie, same_site},
    session::IssuedTokens,
};

/// The cookies of a browser session: one with the access token, one with the refresh token.
///
/// Both are `HttpOnly`, `Secure` and `SameSite=Lax`, have the path `/`, and live as long as their tokens. With their
/// prefix `__Host-`, no other host of the domain can set them (RFC 6265bis, section 4.1.3.2).
///
/// A handler that has verified a sign-in sets them:
///
/// ```
/// use http::{Response, header::SET_COOKIE, request::Parts};
/// use tower_auth::{Principal, Rejection, RequestHead, endpoints::SessionCookies, session::{Grant, Sessions, TokenRequest}};
///
/// async fn signed_in(
///     head: &Parts,
///     who: &Principal,
///     sessions: &Sessions,
///     cookies: &SessionCookies,
/// ) -> Result<Response<String>, Rejection> {
///     cookies.check_same_site(&RequestHead::from(head))?;
///     let tokens = sessions.begin(Grant::of(who), &TokenRequest::new()).await?;
///     let mut response = Response::new(String::new());
///     for cookie in cookies.set(&tokens) {
///         response.headers_mut().append(SET_COOKIE, cookie);
///     }
///     Ok(response)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "cookies do nothing until they are passed on"]
pub struct SessionCookies {
    access: String,
    refresh: String,
    secure: bool,
    strict: bool,
}

/// Browsers drop a cookie whose name and value are longer together.
const LONGEST: usize = 4096;

impl SessionCookies {
    /// Returns the cookies `__Host-access` and `__Host-refresh`, for HTTPS.
    pub fn new() -> Self {
        Self { access: "__Host-access".to_owned(), refresh: "__Host-refresh".to_owned(), secure: true, strict: false }
    }

    /// Returns the cookies `access` and `refresh` without `Secure`, for HTTP on the own machine: not every browser
    /// accepts a `Secure` cookie there. Never use them elsewhere, because they are sent in clear. Services on other
    /// ports of the machine get them too.
    pub fn loopback() -> Self {
        Self { access: "access".to_owned(), refresh: "refresh".to_owned(), secure: false, strict: false }
    }

    /// Sets the names.
    ///
    /// ```
    /// use tower_auth::endpoints::SessionCookies;
    ///
    /// let cookies = SessionCookies::new().names("__Host-shop", "__Host-shop-refresh")?;
    /// assert_eq!(cookies.access_name(), "__Host-shop");
    /// assert!(SessionCookies::loopback().names("__Host-shop", "refresh").is_err());
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If a name is not a token (RFC 6265, section 4.1.1), if both are the same, or if a prefix needs HTTPS.
    pub fn names(self, access: &str, refresh: &str) -> Result<Self, ConfigError> {
        for name in [access, refresh] {
            if !is_token(name) {
                return Err(ConfigError::new(
                    format!("{name:?} is not the name of a cookie"),
                    "use letters, digits, dashes and underscores, such as `__Host-access`",
                ));
            }
            if !self.secure && has_prefix(name) {
                return Err(ConfigError::new(
                    format!("browsers accept the cookie {name:?} over HTTPS only"),
                    "leave the prefix out for SessionCookies::loopback, or use SessionCookies::new",
                ));
            }
        }
        if access == refresh {
            return Err(ConfigError::new(
                format!("both cookies of a session are named {access:?}"),
                "use two names, such as `__Host-access` and `__Host-refresh`",
            ));
        }
        Ok(Self { access: access.to_owned(), refresh: refresh.to_owned(), ..self })
    }

    /// Sets `SameSite=Strict`: the cookies are not sent either when the user follows a link from another website, so
    /// the first page that such a link opens shows nobody signed in.
    pub fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Returns the name of the cookie with the access token, for [`BearerLayer::cookie`](crate::BearerLayer::cookie).
    #[must_use]
    pub fn access_name(&self) -> &str {
        &self.access
    }

    /// Returns the name of the cookie with the refresh token.
    #[must_use]
    pub fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// Checks that a sign-in that sets these cookies comes from a page of the same origin. Otherwise another website
    /// could sign the user's browser in with an account of its own, and see what the user does there.
    ///
    /// ```
    /// use tower_auth::{RequestHead, endpoints::SessionCookies};
    ///
    /// let cookies = SessionCookies::new();
    /// let from = |site| http::Request::post("/login").header("sec-fetch-site", site).body(()).unwrap();
    /// assert!(cookies.check_same_site(&RequestHead::from(&from("same-origin"))).is_ok());
    /// assert_eq!(cookies.check_same_site(&RequestHead::from(&from("cross-site"))).unwrap_err().status(), 403);
    /// ```
    ///
    /// # Errors
    /// 403 `CROSS_SITE_REQUEST` unless `Sec-Fetch-Site` is `same-origin` or `none`, or, without that header, `Origin`
    /// is the host of the request.
    pub fn check_same_site(&self, sign_in: &RequestHead<'_>) -> Result<(), Rejection> {
        same_site::check(sign_in.method(), sign_in.uri(), sign_in.headers()).map_err(Rejection::cross_site)
    }

    /// Returns the values of `Set-Cookie` that give the tokens to a browser. Add each as a line of its own. They are
    /// marked sensitive. Without a refresh token, the second removes that of an earlier session.
    pub fn set(&self, tokens: &IssuedTokens) -> impl Iterator<Item = HeaderValue> + use<> {
        let access = self.line(&self.access, tokens.access_token.expose(), tokens.expires_in);
        let lifetime = tokens.refresh_expires_in.unwrap_or(tokens.expires_in);
        let refresh = match &tokens.refresh_token {
            Some(token) => self.line(&self.refresh, token.expose(), lifetime),
            None => self.line(&self.refresh, "", Duration::ZERO),
        };
        [access, refresh].into_iter().flatten()
    }

    /// Returns the values of `Set-Cookie` that remove both cookies.
    pub fn clear(&self) -> impl Iterator<Item = HeaderValue> + use<> {
        [&self.access, &self.refresh].map(|name| self.line(name, "", Duration::ZERO)).into_iter().flatten()
    }

    /// A token has no character that a cookie must not contain.
    fn line(&self, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        if name.len() + value.len() > LONGEST {
            tracing::warn!(target: "tower_auth", name, "the token is too long for a cookie, so browsers drop it; use fewer scopes");
        }
        let secure = if self.secure { "; Secure" } else { "" };
        let site = if self.strict { "Strict" } else { "Lax" };
        let seconds = lifetime.as_secs();
        let line = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite={site}");
        let mut line = HeaderValue::try_from(line).ok()?;
        line.set_sensitive(true);
        Some(line)
    }

    /// Returns the refresh token of a request.
    ///
    /// # Errors
    /// 400 if the cookie occurs more than once.
    pub(super) fn refresh_token(&self, headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
        read(&self.refresh, headers)
    }

    /// Returns the access token of a request.
    ///
    /// # Errors
    /// 400 if the cookie occurs more than once.
    pub(super) fn access_token(&self, headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
        read(&self.access, headers)
    }
}

fn read(name: &str, headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
    let Some(cookie) = Cookie::named(name) else { return Ok(None) };
    let repeated = |_| Rejection::malformed_header(Cookie::header().as_str(), "a cookie occurs more than once");
    let found = cookie.read(headers).map_err(repeated)?;
    // What is not UTF-8 is no token, and is refused as one.
    Ok(found.map(|token| Secret::new(String::from_utf8_lossy(token.secret()))))
}

/// Names with these prefixes are reserved, in any case (RFC 6265bis, section 4.1.3).
fn has_prefix(name: &str) -> bool {
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts("__Host-") || starts("__Secure-")
}

impl Default for SessionCookies {
    fn default() -> Self {
        Self::new()
    }
}
