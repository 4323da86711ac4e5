//! The demo keys. Each start makes new ones, and shows them on its ready line.
//!
//! In a database, the ids of the demo keys begin with `demo_` and end with the time of the start: `demo_read_1767225600000000`.
//! The API gives every key an id of its own, so a start knows by it the demo keys of earlier starts, and deletes them (do not
//! choose such an id with `keys create --id` for an account of the demo), with the keys that succeeded them by rotation or replacement. Keys that were created through the API stay, also those that a demo key
//! has created.
//!
//! Of several processes that share a database, one makes demo keys, and the others run with `--no-demo`. If two make them, those
//! of the process that started last are valid; if both start at the same moment, those of both may be.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tower_auth::{
    BoxError, ConfigError, KeyRecord, Principal, Quota,
    limit::Limits,
    registry::{Holder, KeyFilter},
};

use super::keys::Keys;

pub(crate) const ORGANIZATION: &str = "org_demo";
pub(crate) const OTHER_ORGANIZATION: &str = "org_other";
/// The account of all demo keys but one.
pub(crate) const ACCOUNT: &str = "acct_demo";
/// The account whose keys are refused.
const SUSPENDED: &str = "acct_suspended";

/// How the id of a demo key in a database begins.
const MARK: &str = "demo_";

/// The actor that sets up the demo.
pub(crate) fn setup() -> Principal {
    Principal::builder("setup").build()
}

/// The ids of the demo keys of one start.
pub(crate) struct Ids(Option<u128>);

impl Ids {
    /// Returns the id of the demo key of this name.
    pub(crate) fn key(&self, name: &str) -> String {
        let begin = if self.0.is_some() { MARK } else { "key_" };
        format!("{begin}{}", self.unique(name))
    }

    /// Returns a name that no other start uses.
    pub(crate) fn unique(&self, name: &str) -> String {
        self.0.map_or_else(|| name.to_owned(), |start| format!("{name}_{start}"))
    }

    fn record(&self, name: &str, account: &str) -> KeyRecord {
        KeyRecord::new(self.key(name), account).organizations([ORGANIZATION]).plan("standard").scopes(["read"])
    }

    /// Returns a record of the demo's organisation with the standard plan and the scope `read`.
    pub(crate) fn reader(&self, name: &str) -> KeyRecord {
        self.record(name, ACCOUNT)
    }

    /// Returns the record of a key whose account is suspended when it is [adopted](Keys::adopt).
    pub(crate) fn suspended(&self) -> KeyRecord {
        self.record("suspended", SUSPENDED)
    }

    /// Returns the record of a key with a low limit: ten requests in five seconds.
    pub(crate) fn limited(&self) -> Result<KeyRecord, ConfigError> {
        Ok(self.reader("limited").limits(Limits::new(Quota::new(10, Duration::from_secs(5)))?))
    }

    /// Returns the records of most servers. `admin` is the list of scopes of that API's admins.
    pub(crate) fn records(&self, admin: &[&str]) -> Result<Vec<(&'static str, KeyRecord)>, ConfigError> {
        let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
        Ok(vec![
            ("read", self.reader("read")),
            ("write", self.reader("write").scopes(["read", "write"])),
            ("admin", self.reader("admin").scopes(admin.iter().copied()).roles(["admin"])),
            ("webhook", self.reader("webhook").scopes(["webhook"])),
            ("expired", self.reader("expired").expires_at(a_minute_ago)),
            ("suspended", self.suspended()),
            ("premium", self.reader("premium").plan("premium")),
            ("limited", self.limited()?),
        ])
    }
}

impl Keys {
    /// Deletes the demo keys of earlier starts, and returns the ids of this one.
    pub(crate) async fn start_demo(&self) -> Result<Ids, BoxError> {
        if !self.lasting {
            return Ok(Ids(None));
        }
        for account in [ACCOUNT, SUSPENDED] {
            self.end_demo(KeyFilter::account(account).limit(1000)).await?;
        }
        Ok(Ids(Some(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())))
    }

    /// Deletes the demo keys among these keys, and their successors.
    async fn end_demo(&self, mut filter: KeyFilter) -> Result<(), BoxError> {
        loop {
            let page = self.registry.list(&setup(), &filter).await?;
            for key in page.items {
                // The predecessors of a key may be deleted, and purged, but it keeps the id of the first.
                if key.first_id().unwrap_or(key.id()).starts_with(MARK) {
                    self.registry.delete(&setup(), key.id()).await?;
                }
            }
            let Some(next) = page.next else { return Ok(()) };
            filter = filter.after(next);
        }
    }

    /// Generates a key for each record and returns the keys by name.
    pub(crate) async fn adopt(
        &self,
        records: impl IntoIterator<Item = (&'static str, KeyRecord)>,
    ) -> Result<Map<String, Value>, BoxError> {
        let mut demo = Map::new();
        for (name, record) in records {
            let key = self.scheme.generate()?;
            self.registry.import(&setup(), name, &key, record).await?;
            demo.insert(name.to_owned(), key.expose().into());
        }
        self.registry.suspend(&setup(), Holder::account(SUSPENDED)).await?;
        Ok(demo)
    }
}
