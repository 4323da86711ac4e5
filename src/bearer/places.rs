//! The places of a token beside `Authorization: Bearer` and a cookie.

use std::borrow::Cow;

use http::{HeaderName, header};

use super::layer::{BEARER, BearerLayer};
use crate::{
    ConfigError, Subprotocol,
    base::{
        challenge::is_token,
        credential::{PROOF, Source, is_cookie},
    },
};

const WITH_PROOFS: &str = "accept tokens with proofs: .dpop(Dpop::new(\"https://api.example.com\"))";

impl BearerLayer {
    /// Reads the token from this header instead of `Authorization: Bearer`. The token is the whole value. Proxies that
    /// authenticate users send such headers: `Cf-Access-Jwt-Assertion`, `x-goog-iap-jwt-assertion`, `x-amzn-oidc-data`.
    ///
    /// The challenge of a 401 is then `AccessToken realm="…"`, because `Bearer` would say that the token belongs in
    /// `Authorization`.
    ///
    /// If the name is not a header name, or is that of `Cookie`, `Sec-WebSocket-Protocol` or `DPoP`, or if another header or
    /// scheme is set already, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier};
    ///
    /// fn behind_cloudflare(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).header("Cf-Access-Jwt-Assertion")
    /// }
    /// ```
    pub fn header(self, name: &str) -> Self {
        let Ok(place) = HeaderName::from_bytes(name.as_bytes()) else {
            return self.faulty(
                format!("{name:?} is not a header name"),
                "use letters, digits and dashes, such as `Cf-Access-Jwt-Assertion`",
            );
        };
        if is_cookie(&place) {
            return self.faulty(
                "BearerLayer::header was given Cookie, which holds all cookies".to_owned(),
                "name the cookie with the token: .cookie(\"__Host-session\")",
            );
        }
        if place == header::SEC_WEBSOCKET_PROTOCOL {
            return self.faulty(
                "BearerLayer::header was given Sec-WebSocket-Protocol, which holds all protocols that a client offers"
                    .to_owned(),
                "say which of them has the token: .websocket_protocol(\"bearer.\")",
            );
        }
        if place == PROOF {
            return self.faulty(
                "BearerLayer::header was given DPoP, which holds the proof of a token, and no token".to_owned(),
                WITH_PROOFS,
            );
        }
        self.source(Source::Header(place))
    }

    /// Reads the token from `Authorization: <scheme> <token>` instead of `Authorization: Bearer <token>`. The scheme is
    /// case-insensitive, and is that of the challenge.
    ///
    /// If the scheme is not a token (RFC 9110, section 5.6.2), or is `DPoP`, which needs a proof ([`dpop`](Self::dpop)), or if
    /// another scheme or header is set already, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier};
    ///
    /// fn for_old_clients(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).auth_scheme("Token")
    /// }
    /// ```
    pub fn auth_scheme(self, scheme: impl Into<Cow<'static, str>>) -> Self {
        let scheme = scheme.into();
        if !is_token(&scheme) {
            return self.faulty(
                format!("{scheme:?} is not an authentication scheme"),
                "use one word, such as `Bearer` or `Token`",
            );
        }
        if scheme.eq_ignore_ascii_case("DPoP") {
            return self.faulty(
                "BearerLayer::auth_scheme was given DPoP, and would read its tokens without their proofs".to_owned(),
                WITH_PROOFS,
            );
        }
        self.source(Source::Scheme(scheme))
    }

    fn source(mut self, source: Source) -> Self {
        if self.check.source != Source::Scheme(Cow::Borrowed(BEARER)) && self.check.source != source {
            return self.faulty(
                "the BearerLayer has two headers or schemes, and would read only the second".to_owned(),
                "use one, or an AuthLayer with one BearerLayer for each",
            );
        }
        if let Some(first) = self.headers.first_mut() {
            first.clone_from(source.header());
        }
        // The token of `dpop` stays in its own header, whichever of the two was set first.
        if let Some((dpop, _)) = &self.check.dpop
            && !self.headers.contains(dpop.header())
        {
            self.headers.push(dpop.header().clone());
        }
        self.check.source = source;
        self.offer()
    }

    /// Also reads the token from `Sec-WebSocket-Protocol`, if the request opens a WebSocket and has no token in the header. A
    /// text is a prefix, as in `bearer.<token>`; [`Subprotocol`] has the other forms, and says what the client and the handler
    /// must do.
    ///
    /// If the form cannot be, or if there is a form already, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier};
    ///
    /// fn for_websockets(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).websocket_protocol("bearer.")
    /// }
    /// ```
    pub fn websocket_protocol(mut self, form: impl Into<Subprotocol>) -> Self {
        let form = form.into();
        if let Err(fault) = form.check() {
            self.fault.get_or_insert(fault);
            return self;
        }
        if !self.subprotocols.is_empty() {
            return self.faulty(
                "the BearerLayer has two forms of WebSocket subprotocols, and would read only the second".to_owned(),
                "use one form, or an AuthLayer with one BearerLayer for each",
            );
        }
        self.subprotocols.push(form.clone());
        let source = Source::Subprotocol(form);
        self.headers.push(source.header().clone());
        self.check.websocket = Some(source);
        self
    }

    /// Refuses a place whose tokens would all be refused.
    pub(super) fn check_places(&self) -> Result<(), ConfigError> {
        let check = &self.check;
        if !check.dpop.as_ref().is_some_and(|(_, proofs)| proofs.settings.is_required()) {
            return Ok(());
        }
        let place = match (&check.cookie, &check.websocket, &check.source) {
            (Some(cookie), ..) => format!("the cookie {:?}", cookie.name()),
            (_, Some(_), _) => "WebSocket subprotocols".to_owned(),
            (.., Source::Scheme(scheme)) if scheme == BEARER => return Ok(()),
            (.., Source::Scheme(scheme)) => format!("the scheme {scheme:?}"),
            (.., other) => format!("the header {}", other.header()),
        };
        Err(ConfigError::new(
            format!("the BearerLayer reads {place}, and Dpop::require refuses all tokens there"),
            "remove this place, or remove .require()",
        ))
    }
}
