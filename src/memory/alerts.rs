use std::time::SystemTime;

use super::MemoryKeyStore;
use crate::{
    alerts::{
        Alert, AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled, StoredRules, unsupported,
    },
    registry::Holder,
};

/// All calls answer at once. Rules and alerts are lost when the process ends.
impl AlertStore for MemoryKeyStore {
    fn set_rules(&self, rules: StoredRules) -> AlertFuture<()> {
        self.alert_book().set_rules(rules);
        AlertFuture::ready(Ok(()))
    }

    fn rules(&self, holders: &[Holder]) -> AlertFuture<Vec<StoredRules>> {
        AlertFuture::ready(Ok(self.alert_book().rules(holders)))
    }

    fn all_rules(&self, after: Option<&Holder>) -> AlertFuture<Vec<StoredRules>> {
        AlertFuture::ready(Ok(self.alert_book().all_rules(after)))
    }

    fn raise(&self, alerts: Vec<Alert>) -> AlertFuture<usize> {
        AlertFuture::ready(Ok(self.alert_book().raise(alerts)))
    }

    fn claim(&self, now: SystemTime, until: SystemTime, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        AlertFuture::ready(Ok(self.alert_book().claim(now, until, limit)))
    }

    fn settle(&self, settled: Vec<(String, Settled)>) -> AlertFuture<()> {
        self.alert_book().settle(settled);
        AlertFuture::ready(Ok(()))
    }

    fn list(&self, holder: &Holder, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        AlertFuture::ready(Ok(self.alert_book().list(holder, limit)))
    }

    fn networks(&self, keys: &[String]) -> AlertFuture<Vec<NetworkUse>> {
        AlertFuture::ready(Ok(self.alert_book().networks(keys)))
    }

    fn note_networks(&self, uses: Vec<NetworkUse>) -> AlertFuture<()> {
        self.alert_book().note_networks(uses);
        AlertFuture::ready(Ok(()))
    }

    fn forget(&self, what: &ForgetAlerts, _limit: usize) -> AlertFuture<usize> {
        let forgotten = self.alert_book().forget(what);
        AlertFuture::ready(forgotten.ok_or_else(|| unsupported(what)))
    }
}
