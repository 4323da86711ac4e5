use std::{fmt, time::SystemTime};

use serde_json::{Value, json};

use super::Grant;
use crate::{
    BoxError, KeyDigest,
    registry::{micros, time},
};

/// A session: a family of refresh tokens, of which only the last one may be used. It never contains a token.
///
/// A store keeps the values of [`to_row`](Self::to_row).
///
/// ```
/// use tower_auth::session::Session;
///
/// /// A line of the page on which users see where they are signed in.
/// fn line(session: &Session) -> String {
///     let state = if session.ended().is_some() { "ended" } else { "active" };
///     format!("{}: {state}, last used {:?}", session.grant().client_id().unwrap_or("this site"), session.used_at())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub(super) id: String,
    pub(super) grant: Grant,
    pub(super) proof_key: Option<Box<str>>,
    pub(super) created_at: SystemTime,
    pub(super) used_at: SystemTime,
    pub(super) expires_at: SystemTime,
    pub(super) ends_at: SystemTime,
    pub(super) generation: u32,
    pub(super) digest: KeyDigest,
    /// When the latest generations were replaced, the latest first.
    pub(super) replaced: Vec<SystemTime>,
    pub(super) ended: Option<(SystemTime, SessionEnd)>,
}

/// Why a session ended before its time.
///
/// ```
/// use tower_auth::session::SessionEnd;
///
/// assert_eq!(SessionEnd::LoggedOut.as_str(), "logged_out");
/// assert_eq!(SessionEnd::from_name("logged_out"), Some(SessionEnd::LoggedOut));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The holder has logged out, or an administrator has ended the session.
    LoggedOut,
    /// A refresh token was used again after it was replaced, so it may be stolen.
    Reused,
    /// A refresh token was revoked (RFC 7009).
    Revoked,
}

impl SessionEnd {
    /// All reasons, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::LoggedOut, Self::Reused, Self::Revoked];

    /// Returns the name, for a column of a table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
        }
    }

    /// Returns the reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|end| end.as_str() == name)
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Session {
    /// Returns the id: the `sid` of the access tokens.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns what its access tokens say about the holder.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Returns the thumbprint of the key that a refresh must prove to have (`jkt`, RFC 9449, section 6.1), if the session is
    /// bound to one.
    #[must_use]
    pub fn proof_key(&self) -> Option<&str> {
        self.proof_key.as_deref()
    }

    /// Returns when the session began.
    #[must_use]
    pub const fn created_at(&self) -> SystemTime {
        self.created_at
    }

    /// Returns when its tokens were refreshed last, or when it began.
    #[must_use]
    pub const fn used_at(&self) -> SystemTime {
        self.used_at
    }

    /// Returns the time from which it can no longer be refreshed, unless it is refreshed before.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Returns the time at which it ends, however often it is refreshed.
    #[must_use]
    pub const fn ends_at(&self) -> SystemTime {
        self.ends_at
    }

    /// Returns how often its refresh token was replaced.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns when and why it ended before its time.
    #[must_use]
    pub const fn ended(&self) -> Option<(SystemTime, SessionEnd)> {
        self.ended
    }

    /// Returns the session as it is once it has ended. For stores without rows.
    #[must_use]
    pub fn ended_at(self, at: SystemTime, why: SessionEnd) -> Self {
        Self { ended: self.ended.or(Some((at, why))), ..self }
    }

    /// Returns the session as it is once the next generation has replaced it. For stores without rows.
    #[must_use]
    pub fn rotated(self, next: &Self) -> Self {
        let (generation, digest, replaced) = (next.generation, next.digest, next.replaced.clone());
        Self { used_at: next.used_at, expires_at: next.expires_at, generation, digest, replaced, ..self }
    }

    /// Returns the columns.
    #[must_use]
    pub fn to_row(&self) -> SessionRow {
        let who = self.grant.holder();
        SessionRow {
            id: self.id.clone(),
            subject: who.subject().to_owned(),
            account: who.account().map(str::to_owned),
            key_id: self.grant.key_id().map(str::to_owned),
            grant: self.stored_grant().to_string(),
            created_at: micros(self.created_at),
            used_at: micros(self.used_at),
            expires_at: micros(self.expires_at),
            ends_at: micros(self.ends_at),
            generation: self.generation.into(),
            digest: self.digest.as_bytes().to_vec(),
            replaced: json!(self.replaced.iter().copied().map(micros).collect::<Vec<_>>()).to_string(),
            ended_at: self.ended.map(|(at, _)| micros(at)),
            ended_because: self.ended.map(|(_, why)| why.as_str().to_owned()),
        }
    }

    /// Returns the grant, and in it the key that the session is bound to. Every store keeps the whole column, so that a store
    /// of another crate keeps the key too, and no table changes.
    fn stored_grant(&self) -> Value {
        let mut grant = self.grant.to_json();
        if let (Some(members), Some(key)) = (grant.as_object_mut(), &self.proof_key) {
            members.insert(PROOF_KEY.to_owned(), (**key).into());
        }
        grant
    }
}

/// The member of a stored grant with the key that the session is bound to. No member of [`Grant::to_json`] has this name.
const PROOF_KEY: &str = "proof_key";

/// Returns the key that a session is bound to. A value that is no text is an error: the session would else be unbound.
fn proof_key(grant: &Value) -> Result<Option<Box<str>>, BoxError> {
    let Some(key) = grant.get(PROOF_KEY) else { return Ok(None) };
    Ok(Some(key.as_str().ok_or("its proof_key is not a text")?.into()))
}

/// A [`Session`] as plain values, for the columns of a table. Times are microseconds since the Unix epoch, and JSON is
/// text.
///
/// ```
/// use tower_auth::session::SessionRow;
///
/// assert!(SessionRow::default().into_session().is_err(), "it has no grant");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The id, unique.
    pub id: String,
    /// The subject of its tokens.
    pub subject: String,
    /// The account of its holder.
    pub account: Option<String>,
    /// The API key that it belongs to.
    pub key_id: Option<String>,
    /// What its tokens say, and the key that it is bound to, as JSON. Keep it as it is.
    pub grant: String,
    /// When it began.
    pub created_at: i64,
    /// When it was refreshed last.
    pub used_at: i64,
    /// From when on it cannot be refreshed.
    pub expires_at: i64,
    /// When it ends, however often it is refreshed.
    pub ends_at: i64,
    /// How often its refresh token was replaced, up to 2^32 - 1.
    pub generation: i64,
    /// The digest of its refresh token, 32 bytes.
    pub digest: Vec<u8>,
    /// When its latest generations were replaced, as JSON.
    pub replaced: String,
    /// When it ended before its time.
    pub ended_at: Option<i64>,
    /// Why it ended before its time: a name of [`SessionEnd`].
    pub ended_because: Option<String>,
}

impl SessionRow {
    /// Returns the session of these columns.
    ///
    /// # Errors
    /// If a value has no meaning here. The error names the session.
    pub fn into_session(self) -> Result<Session, BoxError> {
        let id = self.id.clone();
        self.read().map_err(|error| format!("the stored session {id:?} cannot be read: {error}").into())
    }

    fn read(self) -> Result<Session, BoxError> {
        let replaced: Vec<i64> = serde_json::from_str(&self.replaced)?;
        let digest: [u8; 32] = self.digest.try_into().map_err(|_| "its digest has not 32 bytes")?;
        // A reason that a later version has added ends the session too.
        let why = self.ended_because.as_deref().and_then(SessionEnd::from_name).unwrap_or(SessionEnd::Revoked);
        let grant: Value = serde_json::from_str(&self.grant)?;
        Ok(Session {
            grant: Grant::from_json(&grant)?,
            proof_key: proof_key(&grant)?,
            created_at: time(self.created_at)?,
            used_at: time(self.used_at)?,
            expires_at: time(self.expires_at)?,
            ends_at: time(self.ends_at)?,
            generation: u32::try_from(self.generation)?,
            digest: KeyDigest::from_bytes(digest),
            replaced: replaced.into_iter().map(time).collect::<Result<_, _>>()?,
            ended: self.ended_at.map(|at| time(at).map(|at| (at, why))).transpose()?,
            id: self.id,
        })
    }
}
