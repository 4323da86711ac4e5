//! Tokens that a service issues: exchange, refresh, log-out, and what ends them; rules 095 to 116 as far as they are no matter of
//! HTTP, and pitfall 29.

mod ends;
mod exchanged;
mod interleaved;
mod model;
mod past_caches;
mod refreshed;
mod replayed;
pub(crate) mod storm;

use std::{future::Future, time::Duration};

use tower_auth::{
    Clock, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, Peppers, Principal, TokenVerifier,
    registry::Actor,
    session::{
        Grant, IssuedTokens, SessionError, SessionPolicy, SessionStore, Sessions, TokenIssuer, TokenRequest,
        signing::{SigningKeys, SigningPolicy},
    },
    testing::ManualClock,
    token::{Claims, TokenRevocation as _, TokenStatus},
};

pub(crate) const ISSUER: &str = "https://api.example.com";
const NOW: &str = "2027-01-15T08:00:00Z";

/// Keys and sessions in memory, and a clock that stands still.
pub(crate) struct Issuing {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryKeyStore,
    pub(crate) registry: KeyRegistry,
    pub(crate) sessions: Sessions,
    pub(crate) own: TokenVerifier,
}

impl Issuing {
    pub(crate) fn new() -> Self {
        Self::with(SessionPolicy::default())
    }

    pub(crate) fn with(policy: SessionPolicy) -> Self {
        let store = MemoryKeyStore::new();
        Self::over(store.clone(), store, policy)
    }

    /// Sessions over another store than the one of the keys.
    pub(crate) fn over(store: MemoryKeyStore, sessions: impl SessionStore, policy: SessionPolicy) -> Self {
        let clock = ManualClock::at(NOW);
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
        let registry = KeyRegistry::with_clock(scheme, store.clone(), &clock);
        let sessions = Sessions::builder(issuer(&clock), sessions, &peppers()).policy(policy).build().unwrap();
        let own = sessions.issuer().verifier().build().unwrap();
        Self { clock, store, registry, sessions, own }
    }

    /// Creates a key, and returns who a guard says it is.
    pub(crate) fn key(&self, change: impl FnOnce(NewKey) -> NewKey) -> Principal {
        let new = change(
            NewKey::named("ci").account("acme").scopes(["read", "write"]).organizations(["org"]).plan("standard"),
        );
        now(self.registry.create(ops(), new)).unwrap().key.principal().clone()
    }

    pub(crate) fn exchange(&self, caller: &Principal) -> IssuedTokens {
        now(self.sessions.exchange(caller, &TokenRequest::new())).unwrap()
    }

    pub(crate) fn begin(&self) -> IssuedTokens {
        now(self.sessions.begin(Grant::of(&alice()).client("web"), &TokenRequest::new())).unwrap()
    }

    pub(crate) fn refresh(&self, token: &str) -> Result<IssuedTokens, SessionError> {
        now(self.sessions.refresh(token, &TokenRequest::new()))
    }

    /// What a guard says of an access token: `None` if it does not verify.
    pub(crate) fn status(&self, token: &str) -> Option<TokenStatus> {
        let claims = self.claims(token)?;
        Some(now(async { self.sessions.status(&claims).await }).unwrap())
    }

    pub(crate) fn claims(&self, token: &str) -> Option<Claims> {
        now(async { self.own.verify(token, &Clock::from(&self.clock)).await }).ok()
    }

    pub(crate) fn is_good(&self, tokens: &IssuedTokens) -> bool {
        self.status(tokens.access_token.expose()) == Some(TokenStatus::Valid)
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(crate) fn issuer(clock: &ManualClock) -> TokenIssuer {
    TokenIssuer::new(ISSUER, SigningKeys::in_memory(SigningPolicy::new(), clock).unwrap()).unwrap()
}

pub(crate) fn peppers() -> Peppers {
    Peppers::new(1, [7; 32]).unwrap()
}

pub(crate) fn ops() -> Actor {
    Actor::named("ops")
}

pub(crate) fn alice() -> Principal {
    Principal::builder("alice")
        .account("acme")
        .scopes(["read", "write"])
        .organizations(["org"])
        .plan("standard")
        .build()
}

/// The refresh token.
pub(crate) fn rt(tokens: &IssuedTokens) -> &str {
    tokens.refresh_token.as_ref().unwrap().expose()
}

/// Runs what a store in memory answers at once. The first verification of a token begins a fetch of keys, which needs a runtime.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
