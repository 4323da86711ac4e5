//! Client authentication (RFC 6749, section 2.3). The secret of a client is its API key.

use http::{HeaderValue, request::Parts};

use super::{
    fault::Fault,
    form::{Form, decoded},
    settings::Settings,
};
use crate::{
    AuthMethod, Principal, Rejection, RejectionKind, RequestHead, Secret, base::credential::basic,
    session::TokenRequest,
};

/// What a request says about its client, before the guards have checked its key.
pub(super) struct Claimed {
    /// How the client names itself.
    name: Option<String>,
    /// The challenge of the scheme that the client has used, if it differs from that of the keys.
    pub(super) challenge: Option<HeaderValue>,
}

impl Claimed {
    /// Reads how the client authenticates itself, and puts its key where the guards read it.
    ///
    /// # Errors
    /// If there are two credentials, or if nothing here can check the key.
    pub(super) fn of(settings: &Settings, head: &mut Parts, form: &Form) -> Result<Self, Fault> {
        let (presented, name) = Presented::of(settings, head, form)?;
        let challenge = presented.challenge(settings);
        let placed = presented.place(settings, head);
        placed.map_err(|refusal| Fault::invalid_client(refusal, challenge.clone()))?;
        Ok(Self { name, challenge })
    }
}

/// The client of a request.
pub(super) struct Client {
    /// The authenticated caller.
    pub(super) caller: Option<Principal>,
    /// The name that an unauthenticated client gives itself.
    claimed: Option<String>,
}

impl Client {
    /// Returns the client that the guards have authenticated, or that claims to be one.
    ///
    /// # Errors
    /// If the `client_id` is not that of the key.
    pub(super) fn of(head: &Parts, claimed: &Claimed) -> Result<Self, Fault> {
        let caller = RequestHead::from(head).principal().cloned();
        let (key, name) = (caller.as_ref().and_then(key_of), &claimed.name);
        if let (Some(key), Some(name)) = (key, name)
            && name != key
        {
            let refusal = Rejection::new(RejectionKind::InvalidKey).cause("the client_id is not the id of the key");
            return Err(Fault::invalid_client(refusal, claimed.challenge.clone()).of(caller.as_ref()));
        }
        Ok(Self { claimed: name.clone().filter(|_| key.is_none()), caller })
    }

    /// Returns the id of the authenticated client.
    pub(super) fn key(&self) -> Option<&str> {
        self.caller.as_ref().and_then(key_of)
    }

    /// Adds the client to a request: the authenticated one with the line of its key, or the one that the request names.
    pub(super) fn add_to(&self, request: TokenRequest) -> TokenRequest {
        let Some(id) = self.key().or(self.claimed.as_deref()) else { return request };
        let line = self.caller.as_ref().filter(|_| self.key().is_some()).map(|who| who.first_id().unwrap_or(id));
        request.client(id).line(line)
    }

    /// Returns the caller.
    ///
    /// # Errors
    /// `invalid_client` if there is none.
    pub(super) fn required(&self, settings: &Settings, head: &Parts) -> Result<&Principal, Fault> {
        self.caller.as_ref().ok_or_else(|| settings.missing(head).into())
    }
}

fn key_of(caller: &Principal) -> Option<&str> {
    caller.credential_id().filter(|_| *caller.method() == AuthMethod::ApiKey)
}

/// What a client presents.
enum Presented {
    Nothing,
    /// A key in the header that the keys are read from.
    Header,
    /// Decoded, and as it was sent if that differs: many clients do not encode the two halves.
    Basic(Secret, Option<Secret>),
    Post(Secret),
}

impl Presented {
    /// Returns what the client presents, and how it names itself.
    fn of(settings: &Settings, head: &Parts, form: &Form) -> Result<(Self, Option<String>), Fault> {
        let basic = basic(&head.headers).map_err(Fault::invalid_request)?;
        let posted = form.get("client_secret");
        let in_header = settings.guarding.keys.as_ref().is_some_and(|keys| keys.are_in(head, basic.is_some()));
        let in_front = settings.guarding.keys.is_none() && RequestHead::from(head).principal().is_some();
        let ways = [basic.is_some(), posted.is_some(), in_header || in_front];
        if ways.into_iter().filter(|used| *used).count() > 1 {
            return Err(Fault::invalid_request("the client is authenticated in more than one way"));
        }
        let named = form.get("client_id");
        let presented = match (basic, posted) {
            (Some((name, secret)), _) => return Self::basic(&name, &secret, named),
            (None, Some(secret)) => Self::Post(Secret::new(secret)),
            (None, None) if in_header => Self::Header,
            (None, None) => Self::Nothing,
        };
        Ok((presented, named.map(str::to_owned)))
    }

    /// The name of a Basic credential may be empty.
    fn basic(name: &str, secret: &Secret, named: Option<&str>) -> Result<(Self, Option<String>), Fault> {
        let name = decoded(name);
        let name = Some(name.expose()).filter(|name| !name.is_empty());
        if name.zip(named).is_some_and(|(one, other)| one != other) {
            return Err(Fault::invalid_request("client_id is not that of the header"));
        }
        let key = decoded(secret.expose());
        let as_sent = (key.expose() != secret.expose()).then(|| Secret::new(secret.expose()));
        Ok((Self::Basic(key, as_sent), name.or(named).map(str::to_owned)))
    }

    /// Returns the challenge for this client, if it is not that of the keys.
    fn challenge(&self, settings: &Settings) -> Option<HeaderValue> {
        const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"api\"");
        match (self, &settings.guarding.keys) {
            (Self::Basic(..), Some(keys)) => keys.basic_challenge(),
            (Self::Basic(..), None) => Some(BASIC),
            _ => None,
        }
    }

    /// Puts the key into the header that the keys are read from.
    fn place(self, settings: &Settings, head: &mut Parts) -> Result<(), Rejection> {
        let unchecked = "a client secret is presented, and AuthEndpoints::keys is not set";
        let (key, other) = match self {
            Self::Nothing | Self::Header => return Ok(()),
            Self::Basic(key, other) => (key, other),
            Self::Post(key) => (key, None),
        };
        match &settings.guarding.keys {
            Some(keys) => keys.present(head, &key, other),
            None => Err(Rejection::missing_credential(None).cause(unchecked)),
        }
    }
}
