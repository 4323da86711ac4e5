//! Credentials among the protocols that a client offers in `Sec-WebSocket-Protocol`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{challenge, error::ConfigError};

/// The form in which a client presents a credential in `Sec-WebSocket-Protocol`. A script in a browser can set no other header
/// when it opens a WebSocket.
///
/// | the script writes | form |
/// |---|---|
/// | `new WebSocket(url, ["chat.v1", "bearer." + token])` | `Subprotocol::prefix("bearer.")` |
/// | `new WebSocket(url, ["access_token", token])` | `Subprotocol::after("access_token")` |
/// | `new WebSocket(url, ["channel.k8s.io", "base64url.bearer.authorization.k8s.io." + base64url(token)])` | `Subprotocol::base64url("base64url.bearer.authorization.k8s.io.")` |
///
/// A subprotocol has the characters of a token (RFC 9110, section 5.6.2): letters, digits, and `` !#$%&'*+-.^_`|~ ``. All
/// JWTs and all keys of a [`KeyFormat`](crate::KeyFormat) with a prefix consist of them. A credential with other characters,
/// such as `/`, `=` or a space, needs [`base64url`](Self::base64url), without padding.
///
/// The credential is read only from a request that opens a WebSocket. It is removed from the header before the inner
/// service is called, and the other protocols stay: the inner service can neither choose, nor return, nor log the credential.
/// Over HTTP/2 and later, every CONNECT with a path counts as one that opens a WebSocket, because `http::Request` has no place
/// for `:protocol`, which would name another protocol (RFC 8441).
///
/// # What the server answers
///
/// A browser closes the connection if it has offered protocols and the server names none of them (the standard of `WebSocket` in browsers,
/// section 2.2), and every client does if the server names another (RFC 6455, section 4.1). So a script must offer one more protocol than
/// the credential, and the server must name it. Either the handler chooses it, for example with `WebSocketUpgrade::protocols` of
/// axum, or the layer does it for a handler that chooses none: with [`after`](Self::after), the layer answers the name in front
/// of the credential, and otherwise the name in [`answer`](Self::answer).
///
/// # Other websites
///
/// A browser opens a WebSocket for any website and attaches its cookies, so a service that accepts cookies must check where the
/// request comes from. A credential in a subprotocol needs no such check: no browser attaches it, and another website does not
/// know it.
///
/// ```
/// use tower_auth::{BearerLayer, Subprotocol, TokenVerifier};
///
/// fn for_browsers(tokens: TokenVerifier) -> BearerLayer {
///     BearerLayer::new(tokens).websocket_protocol(Subprotocol::prefix("bearer.").answer("chat.v1"))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a form does nothing until a layer has it"]
pub struct Subprotocol {
    name: String,
    form: Form,
    answer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Prefix,
    Base64Url,
    After,
}

/// Why a credential cannot be read, although its place has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// No credential follows the scheme, the prefix or the name.
    Empty,
    /// Two protocols have the prefix or the name.
    Repeated,
    /// The credential is not base64url without padding.
    NotBase64Url,
}

/// A credential in its form on the wire, or decoded.
pub(crate) enum Presented<'a> {
    Borrowed(&'a [u8]),
    Decoded(Zeroizing<Vec<u8>>),
}

impl Presented<'_> {
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl Subprotocol {
    /// The credential is the rest of the protocol that starts with this text, such as `bearer.`
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { name: prefix.into(), form: Form::Prefix, answer: None }
    }

    /// The same, and the rest is base64url without padding (RFC 4648, section 5), as the Kubernetes API server reads it.
    pub fn base64url(prefix: impl Into<String>) -> Self {
        Self { name: prefix.into(), form: Form::Base64Url, answer: None }
    }

    /// The credential is the protocol that follows the protocol with this name, such as `access_token`. Both are removed from
    /// the request. The layer answers this name if the handler chooses no protocol.
    pub fn after(name: impl Into<String>) -> Self {
        Self { name: name.into(), form: Form::After, answer: None }
    }

    /// Sets the protocol that the layer answers if the client has offered it and the handler has chosen none. Use it for a
    /// handler that does not choose protocols: an answer says that the server speaks this one.
    ///
    /// ```
    /// use tower_auth::Subprotocol;
    ///
    /// let form = Subprotocol::prefix("v1.token.websocket.example.org.").answer("v1.token.websocket.example.org");
    /// ```
    pub fn answer(mut self, protocol: impl Into<String>) -> Self {
        self.answer = Some(protocol.into());
        self
    }

    /// Returns what is wrong with the form.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: String, help| Err(ConfigError::new(what, help));
        if !challenge::is_token(&self.name) {
            return wrong(
                format!("{:?} cannot be in a WebSocket subprotocol", self.name),
                "use a prefix such as `bearer.`, or a name such as `access_token`, without spaces, commas and slashes",
            );
        }
        let Some(answer) = &self.answer else { return Ok(()) };
        if !challenge::is_token(answer) {
            return wrong(format!("{answer:?} is not a WebSocket subprotocol"), "use a name such as `chat.v1`");
        }
        if self.form != Form::After && self.is_own(answer.as_bytes()) {
            return wrong(
                format!("the answer {answer:?} starts with {:?}, and would be read as a credential", self.name),
                "answer another protocol, which clients offer beside the credential",
            );
        }
        Ok(())
    }

    /// Returns whether this protocol has the prefix or the name.
    fn is_own(&self, protocol: &[u8]) -> bool {
        match self.form {
            Form::Prefix | Form::Base64Url => protocol.starts_with(self.name.as_bytes()),
            Form::After => protocol == self.name.as_bytes(),
        }
    }

    /// Returns the credential among the offered protocols.
    pub(crate) fn find<'a>(
        &self,
        mut offers: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Presented<'a>>, Unreadable> {
        let Some(own) = offers.find(|offer| self.is_own(offer)) else { return Ok(None) };
        let secret = match self.form {
            Form::Prefix | Form::Base64Url => own.get(self.name.len()..),
            Form::After => offers.next(),
        };
        let secret = secret.filter(|secret| !secret.is_empty()).ok_or(Unreadable::Empty)?;
        if offers.any(|offer| self.is_own(offer)) {
            return Err(Unreadable::Repeated);
        }
        if self.form != Form::Base64Url {
            return Ok(Some(Presented::Borrowed(secret)));
        }
        let decoded = URL_SAFE_NO_PAD.decode(secret).map_err(|_| Unreadable::NotBase64Url)?;
        Ok(Some(Presented::Decoded(Zeroizing::new(decoded))))
    }

    /// Returns the protocol that answers these offers, if the handler chooses none.
    pub(crate) fn answer_to<'a>(&'a self, mut offers: impl Iterator<Item = &'a [u8]>) -> Option<&'a str> {
        let answer = self.answer.as_ref().or((self.form == Form::After).then_some(&self.name))?;
        // The server must not name a protocol that was not offered (RFC 6455, section 4.2.2).
        offers.any(|offer| offer == answer.as_bytes()).then_some(answer)
    }
}

impl From<&str> for Subprotocol {
    /// The same as [`Subprotocol::prefix`].
    fn from(prefix: &str) -> Self {
        Self::prefix(prefix)
    }
}

/// Returns the protocols in these lines. A client may split the list into several lines (RFC 6455, section 11.3.4).
pub(crate) fn offers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    let protocols = lines.flat_map(|line| line.split(|byte| *byte == b','));
    protocols.map(<[u8]>::trim_ascii).filter(|protocol| !protocol.is_empty())
}

/// Returns the protocols that are no credential in one of these forms, joined to one line; empty if there are none.
pub(crate) fn without<'a>(offers: impl Iterator<Item = &'a [u8]>, forms: &[Subprotocol]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut follows = false;
    for offer in offers {
        // What follows a name is a credential, whatever it looks like.
        let credential = follows || forms.iter().any(|form| form.is_own(offer));
        follows = forms.iter().any(|form| form.form == Form::After && form.is_own(offer));
        if !credential {
            kept.push(offer);
        }
    }
    kept.join(&b", "[..])
}
