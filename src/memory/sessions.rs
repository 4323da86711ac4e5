use std::time::SystemTime;

use super::MemoryKeyStore;
use crate::session::{
    CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionStore, TokenFacts,
};

/// The number of sessions that are looked at before others get the lock.
const STEPS: usize = 1_000;

/// All calls answer at once. Sessions are lost when the process ends, and so is what was revoked.
///
/// Keys that were inserted directly are found too.
impl SessionStore for MemoryKeyStore {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        let is_new = self.change_sessions().create(session);
        SessionFuture::ready(if is_new { Ok(()) } else { Err("there is a session with this id".into()) })
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        SessionFuture::ready(Ok(self.sessions().find(id)))
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        SessionFuture::ready(Ok(self.change_sessions().rotate(next)))
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        SessionFuture::ready(Ok(self.change_sessions().end(id, at, why)))
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        self.change_sessions().cut_off(whose, at);
        SessionFuture::ready(Ok(()))
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.change_sessions().deny(token, until);
        SessionFuture::ready(Ok(()))
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        let mut findings = self.sessions().look(token);
        let guarded = self.read();
        findings.key = token.key.and_then(|id| guarded.find_by_id(id));
        findings.is_suspended = token.account.is_some_and(|account| guarded.suspended.has_account(account))
            || token.organizations.iter().any(|organization| guarded.suspended.has_organization(organization));
        SessionFuture::ready(Ok(findings))
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        SessionFuture::ready(Ok(self.sessions().list(filter)))
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        let mut forgotten = self.change_sessions().forget_revoked(what, limit);
        let mut place = None;
        while forgotten < limit {
            let (gone, next) = self.change_sessions().forget_some(what, place, limit.min(STEPS));
            forgotten += gone;
            let Some(next) = next else { break };
            place = Some(next);
        }
        SessionFuture::ready(Ok(forgotten))
    }
}
