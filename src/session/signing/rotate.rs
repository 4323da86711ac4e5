//! Reads the store, and does what the schedule says.

use std::{fmt, time::SystemTime};

use tokio::runtime::Handle;

use super::{
    SigningFuture, SigningKeys,
    keys::sealed,
    published::{Entry, Published},
    schedule::{MOST_KEYS, Plan, Step, Why, plan},
};
use crate::{
    BoxError,
    base::{clock::rfc3339, shown},
    token::{Algorithm, SigningKey},
};

/// How often the keys are read again because they changed meanwhile.
const ROUNDS: usize = 5;

impl SigningKeys {
    /// Reads the keys of the store, adds the next key if it is due, removes those whose tokens have expired, and encrypts those of an old
    /// pepper anew. [`start`](Self::start) does it every minute: call this in a service that runs no background tasks, and in tests.
    ///
    /// # Errors
    /// If the store does not answer, or a clock is wrong, so that nothing is changed (see
    /// [wrong clocks](crate::session::signing#wrong-clocks)). The keys in memory stay in use.
    pub async fn refresh(&self) -> Result<(), BoxError> {
        let _turn = self.0.turn.lock().await;
        for _ in 0..ROUNDS {
            let (published, plan) = self.load().await?;
            match plan.step {
                Step::Add(why, from) => self.add(&published, why, from).await?,
                step => return self.tidy(&published, &plan).await.and(self.outcome(&published, step)),
            }
        }
        Err("other processes added signing keys at each attempt; it is tried again".into())
    }

    /// Reads the keys of the store, and changes nothing there.
    pub(super) async fn read(&self) -> Result<(), BoxError> {
        let _turn = self.0.turn.lock().await;
        self.load().await.map(drop)
    }

    /// Reads the keys, and uses them from now on. Returns all of them, and what is to be done.
    async fn load(&self) -> Result<(Published, Plan), BoxError> {
        let rows = self.answer(self.0.store.signing_keys()).await?;
        let now = self.clock().now();
        let published = Published::read(&rows, &self.0.sealer, &self.0.published.load(), self.clock().elapsed());
        let plan = self.plan(&published, now).await;
        // If no key of the store can sign, the keys in memory go on, if one of them can.
        if published.signer(now).is_some() || self.current(now).is_err() {
            let remove = plan.as_ref().map_or(&[][..], |plan| &plan.remove);
            self.0.published.store(published.without(remove).into());
        }
        Ok((published, plan?))
    }

    /// Returns what is to be done. The store is asked for its time if that would change what other processes rely on.
    async fn plan(&self, published: &Published, now: SystemTime) -> Result<Plan, BoxError> {
        let plan = plan(&published.slots, now, &self.0.policy);
        if !plan.needs_a_right_clock() {
            return Ok(plan);
        }
        Ok(match self.answer(self.0.store.store_time()).await? {
            Some(store) => plan.agreed(now, store, self.clock().now()),
            None => plan,
        })
    }

    /// Adds a key after the newest one. If another process was first, its key is read next.
    async fn add(&self, published: &Published, why: Why, from: SystemTime) -> Result<(), BoxError> {
        let key = generate(self.0.policy.algorithm).await?;
        let newest = published.entries.last().map(|newest| newest.id.as_str());
        let row = sealed(&self.0.sealer, &key, from)?;
        let row = match newest {
            Some(newest) => row.after(newest),
            None => row,
        };
        if self.answer(self.0.store.add_signing_key(row)).await? {
            log(&key, why, newest);
        }
        Ok(())
    }

    async fn tidy(&self, published: &Published, plan: &Plan) -> Result<(), BoxError> {
        for entry in plan.remove.iter().filter_map(|place| published.entries.get(*place)) {
            self.answer(self.0.store.remove_signing_key(&entry.id)).await?;
            tracing::info!(target: "tower_auth", key = %shown::text(&entry.id, 80), "an old signing key is removed");
        }
        let kept = published.entries.iter().enumerate().filter(|(place, _)| !plan.remove.contains(place));
        for (_, entry) in kept {
            self.reseal(entry).await?;
        }
        Ok(())
    }

    /// Encrypts a key under the current pepper, once in a process: two processes with another order of peppers do not undo each other's
    /// work again and again.
    async fn reseal(&self, entry: &Entry) -> Result<(), BoxError> {
        let Some(key) = entry.outdated() else { return Ok(()) };
        let sealed = self.0.sealer.seal(key)?;
        self.answer(self.0.store.reseal_signing_key(&entry.id, sealed)).await?;
        entry.is_resealed();
        Ok(())
    }

    /// Returns what an operator has to know of a step that adds no key.
    fn outcome(&self, published: &Published, step: Step) -> Result<(), BoxError> {
        let now = rfc3339(self.clock().now());
        match step {
            Step::Nothing | Step::Add(..) => Ok(()),
            Step::Full => Err(full()),
            Step::TooFar(place) => Err(too_far(published, place, now)),
            Step::Differ(store) => Err(differ(rfc3339(store), now)),
        }
    }

    async fn answer<T>(&self, future: SigningFuture<T>) -> Result<T, BoxError> {
        match self.0.limit.wait(future).await {
            Ok(answer) => answer,
            Err(late) => Err(format!("the store of the signing keys {late}").into()),
        }
    }
}

/// Generates a key. That of an RSA key takes long, and must not stop the runtime.
async fn generate(algorithm: Algorithm) -> Result<SigningKey, BoxError> {
    match Handle::try_current() {
        Ok(runtime) if algorithm == Algorithm::Rs256 => {
            Ok(runtime.spawn_blocking(move || SigningKey::generate(algorithm)).await??)
        }
        _ => Ok(SigningKey::generate(algorithm)?),
    }
}

fn log(key: &SigningKey, why: Why, newest: Option<&str>) {
    let (key, after) = (key.id(), shown::text(newest.unwrap_or("none"), 80));
    match why {
        Why::First => tracing::info!(target: "tower_auth", key, "the first signing key is made, and signs"),
        Why::Next => tracing::info!(target: "tower_auth", key, %after, "the next signing key is published"),
        Why::Replace => tracing::warn!(
            target: "tower_auth", key, %after,
            "the next signing key cannot be used by this process; another one is published in its place"
        ),
        Why::Lost => tracing::warn!(
            target: "tower_auth", key, %after,
            "the signing key in use cannot be used by this process; a new one signs at once, and a verifier refuses its tokens \
             until it has read the key set again"
        ),
    }
}

fn full() -> BoxError {
    format!(
        "no signing key is added, because there are {MOST_KEYS} already: processes of this service have different \
         peppers; give all of them the same peppers"
    )
    .into()
}

fn too_far(published: &Published, place: usize, now: impl fmt::Display) -> BoxError {
    let id = published.entries.get(place).map_or("", |entry| &entry.id);
    let from = published.slots.get(place).map_or(SystemTime::UNIX_EPOCH, |slot| slot.signs_from);
    format!(
        "the signing key {} is planned to sign from {}, and the clock of this process shows {now}: this clock is behind, or that \
         of the process that made the key was ahead; no signing key is added or removed meanwhile; help: set the clock that \
         is wrong. If it was another than this one, set signs_from of the key in the store to the present, or to tomorrow if \
         the key was made today and another one signs",
        shown::text(id, 80),
        rfc3339(from),
    )
    .into()
}

fn differ(store: impl fmt::Display, now: impl fmt::Display) -> BoxError {
    format!(
        "the clock of this process shows {now}, and that of the store {store}; this process adds and removes no signing key \
         meanwhile; help: set the clock that is wrong"
    )
    .into()
}
