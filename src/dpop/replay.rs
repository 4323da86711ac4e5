use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{BoxError, MaybeReady};

/// Remembers which proofs were used, so that each can be used once (RFC 9449, section 11.1). The default is a
/// [`MemoryReplayStore`](super::MemoryReplayStore), which sees the proofs of one process. If several processes serve the same
/// address, a thief can use a proof once in each of them, unless they share a store.
///
/// A store of a server such as Redis needs one command: set if absent, with an expiry.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}, time::SystemTime};
/// use tower_auth::{BoxError, Dpop, MaybeReady, dpop::{Replay, ReplayStore, UsedProof}};
///
/// /// Stands for a client of a server that all processes reach.
/// #[derive(Clone, Default)]
/// struct Server(Arc<Mutex<HashMap<String, SystemTime>>>);
///
/// impl Server {
///     /// `SET key 1 NX PX ..`
///     async fn set_if_absent(self, key: String, until: SystemTime) -> Result<bool, BoxError> {
///         let mut all = self.0.lock().map_err(|_| "a thread has panicked")?;
///         Ok(all.insert(key, until).is_none())
///     }
/// }
///
/// impl ReplayStore for Server {
///     fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
///         let set = self.clone().set_if_absent(format!("dpop:{}", proof.id_hex()), proof.until());
///         MaybeReady::boxed(async move { Ok(if set.await? { Replay::New } else { Replay::Seen }) })
///     }
/// }
///
/// let dpop = Dpop::new("https://api.example.com").replay_store(Server::default());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot remember proofs: it does not implement `ReplayStore`",
    note = "implement `record` for it; the page of the trait shows a whole one"
)]
pub trait ReplayStore: Send + Sync + 'static {
    /// Records the use of a proof, unless it is recorded already. Of two calls with the same id at the same time, exactly one
    /// may answer [`Replay::New`].
    ///
    /// It is called last, for a proof that is right in every other way, so that no stranger can fill the store. An entry
    /// must not be removed before [`UsedProof::until`], also not to make room: answer [`Replay::Full`] instead.
    ///
    /// The future must own its data. An error, or no answer within
    /// [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), is answered 503.
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>>;
}

impl<T: ReplayStore + ?Sized> ReplayStore for Arc<T> {
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
        (**self).record(proof)
    }
}

/// What a [`ReplayStore`] knows of a proof.
///
/// ```
/// use tower_auth::dpop::Replay;
///
/// fn of(set: bool) -> Replay {
///     if set { Replay::New } else { Replay::Seen }
/// }
/// assert_eq!(of(true), Replay::New);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// The proof was not used before, and its use is recorded now.
    New,
    /// The proof was used before. Answers 401.
    Seen,
    /// There is no room for another proof. Answers 503, because a proof that is forgotten could be used twice.
    Full,
}

/// The use of a proof, as a [`ReplayStore`] records it.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::dpop::UsedProof;
///
/// /// The key of an entry, and for how long it is kept.
/// fn entry(proof: &UsedProof) -> (String, Duration) {
///     (format!("dpop:{}", proof.id_hex()), proof.time_left())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedProof {
    pub(super) id: [u8; 32],
    pub(super) key: [u8; 32],
    pub(super) now: SystemTime,
    pub(super) until: SystemTime,
}

impl UsedProof {
    /// Returns the id of the proof: a SHA-256 of the thumbprint of its key and of its `jti`. So no client can use up the ids
    /// of another, and a `jti` of any length takes 32 bytes.
    ///
    /// ```
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn column(proof: &UsedProof) -> Vec<u8> {
    ///     proof.id().to_vec()
    /// }
    /// ```
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Returns the [`id`](Self::id) as 64 hex digits.
    ///
    /// ```
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn key(proof: &UsedProof) -> String {
    ///     format!("dpop:{}", proof.id_hex())
    /// }
    /// ```
    #[must_use]
    pub fn id_hex(&self) -> String {
        self.id.iter().flat_map(|byte| crate::base::hex::digits(*byte)).map(char::from).collect()
    }

    /// Returns a SHA-256 of the thumbprint of the proof's key: whose proof it is.
    ///
    /// ```
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn whose(proof: &UsedProof) -> [u8; 32] {
    ///     *proof.key()
    /// }
    /// ```
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Returns the time of the request, by the clock of the layer.
    ///
    /// ```
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn is_over(proof: &UsedProof) -> bool {
    ///     proof.until() < proof.now()
    /// }
    /// ```
    #[must_use]
    pub const fn now(&self) -> SystemTime {
        self.now
    }

    /// Returns the time after which the proof is too old to be used, and its entry may be removed.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn may_be_removed(proof: &UsedProof, now: SystemTime) -> bool {
    ///     proof.until() < now
    /// }
    /// ```
    #[must_use]
    pub const fn until(&self) -> SystemTime {
        self.until
    }

    /// Returns the time from [`now`](Self::now) to [`until`](Self::until), and one millisecond: an expiry for stores that
    /// count in milliseconds.
    ///
    /// ```
    /// use tower_auth::dpop::UsedProof;
    ///
    /// fn milliseconds(proof: &UsedProof) -> u128 {
    ///     proof.time_left().as_millis()
    /// }
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.until.duration_since(self.now).unwrap_or_default().saturating_add(Duration::from_millis(1))
    }
}
