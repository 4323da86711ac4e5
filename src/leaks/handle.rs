//! What is done with the findings of a report.

use std::{borrow::Cow, sync::Arc};

use futures_util::future::join_all;

use super::{
    policy::{LeakOutcome, LeakPolicy, LeakedKey},
    report::Finding,
};
use crate::{KeyDigests, KeyRecord, KeyRegistry, KeyStore, RegistryError, base::shown, registry::Actor};

pub(super) type Told = dyn Fn(&LeakedKey) + Send + Sync;

/// The keys of the service, and what becomes of those that are leaked.
#[derive(Clone)]
pub(super) struct Handling {
    pub(super) registry: KeyRegistry,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) policy: LeakPolicy,
    pub(super) told: Option<Arc<Told>>,
}

/// The actor of the audit log.
const ACTOR: &str = "github-secret-scanning";
/// The number of keys that are handled at once.
const AT_ONCE: usize = 16;

impl Handling {
    /// Handles every finding, and returns whether each is a key of this service. If the store fails for one, the others are
    /// handled nevertheless.
    pub(super) async fn all(&self, findings: &[Finding], request: Option<&str>) -> Result<Vec<bool>, RegistryError> {
        let (mut ours, mut failure) = (Vec::with_capacity(findings.len()), None);
        for some in findings.chunks(AT_ONCE) {
            for outcome in join_all(some.iter().map(|finding| self.one(finding, request))).await {
                match outcome {
                    Ok(is_ours) => ours.push(is_ours),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            // A store in memory answers at once, and a long report must not keep the thread from other requests.
            tokio::task::yield_now().await;
        }
        failure.map_or(Ok(ours), Err)
    }

    async fn one(&self, finding: &Finding, request: Option<&str>) -> Result<bool, RegistryError> {
        let Some(digests) = self.registry.scheme().digests(finding.token.expose().as_bytes()) else { return Ok(false) };
        let Some(record) = self.find(&digests).await? else { return Ok(false) };
        let mut leak = leak_of(&record, finding);
        leak.outcome = self.act(&record, &leak, request).await?;
        self.tell(&leak);
        Ok(true)
    }

    async fn find(&self, digests: &KeyDigests) -> Result<Option<KeyRecord>, RegistryError> {
        // A cache may still say of a new key that it is unknown, and a key that is reported must not be missed.
        let found = self.registry.time_limit().wait(self.store.find_fresh(digests)).await;
        let found = found.map_err(|late| RegistryError::Store(format!("the key store {late}").into()))?;
        Ok(found?)
    }

    async fn act(
        &self,
        record: &KeyRecord,
        leak: &LeakedKey,
        request: Option<&str>,
    ) -> Result<LeakOutcome, RegistryError> {
        if record.is_revoked() {
            return Ok(LeakOutcome::AlreadyRevoked);
        }
        if self.policy == LeakPolicy::AlertOnly {
            return Ok(LeakOutcome::Alerted);
        }
        let actor = Actor::named(ACTOR).because(reason(leak));
        let actor = match request {
            Some(id) => actor.request_id(id),
            None => actor,
        };
        match self.registry.revoke_once(actor, record.id()).await {
            Ok(true) => Ok(LeakOutcome::Revoked),
            Ok(false) => Ok(LeakOutcome::AlreadyRevoked),
            Err(RegistryError::NotFound) => Err(RegistryError::Store(unknown(record.id()).into())),
            Err(error) => Err(error),
        }
    }

    fn tell(&self, leak: &LeakedKey) {
        tracing::warn!(
            target: "tower_auth",
            key_id = leak.key_id,
            key_hint = leak.hint,
            account = leak.account,
            organization = leak.organization,
            url = leak.url,
            source = leak.source,
            outcome = leak.outcome.as_str(),
            "a key was leaked"
        );
        if let Some(told) = &self.told {
            told(leak);
        }
    }
}

fn unknown(id: &str) -> String {
    format!(
        "the leaked key {id:?} is in the store of the guards and not in that of the registry, so it cannot be revoked; \
         pass LeakReports::new a registry and a store of the same keys"
    )
}

fn leak_of(record: &KeyRecord, finding: &Finding) -> LeakedKey {
    let who = record.principal();
    LeakedKey {
        key_id: record.id().to_owned(),
        hint: who.credential_hint().unwrap_or_default().to_owned(),
        account: who.account().map(str::to_owned),
        organization: who.organizations().first().cloned(),
        url: clean(&finding.url, finding, 1024),
        source: clean(&finding.source, finding, 64),
        token_type: clean(&finding.kind, finding, 128),
        outcome: LeakOutcome::Alerted,
    }
}

/// Escapes and shortens a text of the report, in which the key itself may stand.
fn clean(text: &str, finding: &Finding, most: usize) -> String {
    let token = finding.token.expose();
    let text = if text.contains(token) { Cow::Owned(text.replace(token, "[REDACTED]")) } else { Cow::Borrowed(text) };
    shown::text(&text, most).into_owned()
}

/// Says in the audit log why the key was revoked.
fn reason(leak: &LeakedKey) -> String {
    let url = if leak.url.is_empty() { "an unknown place" } else { &leak.url };
    let source = if leak.source.is_empty() { "unknown" } else { &leak.source };
    format!("leaked at {url} (source: {source})")
}
