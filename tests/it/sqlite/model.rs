//! The same random changes on an SQLite file and on the store in memory: both say the same about everything.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tower_auth::{
    KeyDigest, KeyDigests, KeyRecord, KeyStore as _, MemoryKeyStore, RegistryError, SqliteKeyStore,
    registry::{
        AuditFilter, AuditRow, Change, Entry, Forget, Holder, KeyAction, KeyFilter, KeyInfo, KeyRow, Page,
        RegistryStore,
    },
};

use super::{Folder, scheme};

/// Half a microsecond is between two times that can be stored.
fn time(half_micros: u16) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from(half_micros) * 500)
}

fn whole(half_micros: u16) -> SystemTime {
    time(half_micros / 2 * 2)
}

const ACCOUNTS: [&str; 3] = ["acme", "beta", "gamma"];

#[derive(Clone, Debug)]
enum Step {
    Create {
        key: u8,
        id: u8,
        old_pepper: bool,
        properties: Properties,
    },
    /// `None` moves the key to the other pepper.
    Update {
        id: u8,
        properties: Option<Properties>,
    },
    Used(Vec<(u8, u16)>),
    Remove(u8),
    Suspend(Holder, u16),
    Reinstate(Holder),
    Audit(Box<AuditRow>),
    Erase(usize),
    ForgetAudit(u16),
    ForgetAddresses(u16),
}

#[derive(Clone, Debug)]
struct Properties {
    account: usize,
    organizations: Vec<usize>,
    active: bool,
    paused: bool,
    revoked: Option<u16>,
    deleted: Option<u16>,
    expires: Option<u16>,
}

impl Properties {
    fn key(&self, id: u8) -> KeyInfo {
        let organizations: Vec<_> = self.organizations.iter().map(|at| ACCOUNTS[*at]).collect();
        let record =
            KeyRecord::new(format!("key_{id}"), ACCOUNTS[self.account]).organizations(organizations).hint("ak");
        let record = match self.expires {
            Some(end) => record.expires_at(whole(end)),
            None => record,
        };
        let key = KeyInfo::of(record).named("ci").created(whole(8), "alice").flags(self.active, self.paused);
        let key = self.revoked.iter().fold(key, |key, at| key.revoked(whole(*at)));
        self.deleted.iter().fold(key, |key, at| key.deleted(whole(*at)).revoked(whole(*at)))
    }
}

fn properties() -> impl Strategy<Value = Properties> {
    let moment = || proptest::option::weighted(0.3, 0..40_u16);
    let organizations = proptest::collection::vec(0..3_usize, 0..3);
    (0..3_usize, organizations, any::<bool>(), any::<bool>(), moment(), moment(), moment()).prop_map(
        |(account, organizations, active, paused, revoked, deleted, expires)| Properties {
            account,
            organizations,
            active,
            paused,
            revoked,
            deleted,
            expires,
        },
    )
}

fn holder() -> impl Strategy<Value = Holder> {
    (any::<bool>(), 0..3_usize).prop_map(|(account, at)| {
        if account { Holder::account(ACCOUNTS[at]) } else { Holder::organization(ACCOUNTS[at]) }
    })
}

fn audit_row() -> impl Strategy<Value = AuditRow> {
    let name = || proptest::option::of(0..3_usize);
    (0..40_u16, name(), name(), name(), any::<bool>()).prop_map(|(at, key, account, organization, address)| {
        let mut row = AuditRow::new(whole(at), ACCOUNTS[usize::from(at) % 3], KeyAction::Changed);
        row.key = key.map(|at| format!("key_{at}"));
        row.account = account.map(|at| ACCOUNTS[at].to_owned());
        row.organization = organization.map(|at| ACCOUNTS[at].to_owned());
        row.address = address.then(|| [192, 0, 2, 7].into());
        row.before.insert("name".to_owned(), serde_json::json!(["ü", 1]));
        row
    })
}

fn step() -> impl Strategy<Value = Step> {
    let (id, moment) = (|| 0..5_u8, || 0..40_u16);
    prop_oneof![
        6 => (0..6_u8, id(), any::<bool>(), properties()).prop_map(
            |(key, id, old_pepper, properties)| Step::Create { key, id, old_pepper, properties }
        ),
        4 => (id(), proptest::option::of(properties())).prop_map(|(id, properties)| Step::Update { id, properties }),
        2 => proptest::collection::vec((id(), moment()), 1..4).prop_map(Step::Used),
        2 => id().prop_map(Step::Remove),
        2 => (holder(), moment()).prop_map(|(holder, at)| Step::Suspend(holder, at)),
        1 => holder().prop_map(Step::Reinstate),
        3 => audit_row().prop_map(|row| Step::Audit(Box::new(row))),
        1 => (0..3_usize).prop_map(Step::Erase),
        1 => moment().prop_map(Step::ForgetAudit),
        1 => moment().prop_map(Step::ForgetAddresses),
    ]
}

fn digests(key: u8) -> KeyDigests {
    scheme_key(key, |text| scheme().digests(text.as_bytes()).unwrap())
}

fn scheme_key<T>(key: u8, read: impl Fn(&str) -> T) -> T {
    static KEYS: std::sync::LazyLock<Vec<tower_auth::Secret>> =
        std::sync::LazyLock::new(|| (0..6).map(|_| scheme().generate().unwrap()).collect());
    read(KEYS[usize::from(key)].expose())
}

/// The digest of this key that a table would hold, and the version of its pepper.
fn digest(key: u8, old_pepper: bool) -> (Option<u32>, KeyDigest) {
    let all = digests(key);
    let (version, digest) = all.versions().nth(usize::from(old_pepper)).unwrap();
    (version, *digest)
}

/// As a store reads it back.
fn stored(entry: &Entry) -> Entry {
    KeyRow::of(entry).into_entry().unwrap()
}

/// Forgets what the step says, in batches, and returns how many rows that were.
async fn forget(store: &dyn RegistryStore, step: &Step) -> Option<Result<usize, RegistryError>> {
    let what = match step {
        Step::Erase(account) => Forget::Account { account: ACCOUNTS[*account].to_owned() },
        Step::ForgetAudit(before) => Forget::Audit { before: time(*before) },
        Step::ForgetAddresses(before) => Forget::Addresses { before: time(*before) },
        _ => return None,
    };
    let mut all = 0;
    loop {
        match store.forget(&what, 2).await {
            Ok(0) => return Some(Ok(all)),
            Ok(size) => all += size,
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Carries out a step as a registry would.
async fn carry_out(store: &dyn RegistryStore, step: &Step) -> Result<usize, RegistryError> {
    if let Some(forgotten) = forget(store, step).await {
        return forgotten;
    }
    let step = step.clone();
    let id = match &step {
        Step::Update { id, .. } => vec![format!("key_{id}")],
        _ => Vec::new(),
    };
    let decide = move |entries: &[Entry]| {
        Ok(vec![match step {
            Step::Create { key, id, old_pepper, properties } => {
                let (pepper, digest) = digest(key, old_pepper);
                let entry = stored(&Entry::new(properties.key(id), digest, pepper));
                Change::Create { entry, digests: Some(digests(key)) }
            }
            Step::Update { id, properties } => {
                let Some(old) = entries.first() else {
                    let key = Properties::key(&properties.unwrap_or(NOTHING), id);
                    return Ok(vec![Change::Update(Entry::new(key, digest(0, false).1, None))]);
                };
                Change::Update(update(old, id, properties))
            }
            Step::Used(uses) => Change::Used(uses.iter().map(|(id, at)| (format!("key_{id}"), whole(*at))).collect()),
            Step::Remove(id) => Change::Remove { id: format!("key_{id}") },
            Step::Suspend(holder, at) => Change::Suspend { holder, at: whole(at) },
            Step::Reinstate(holder) => Change::Reinstate { holder },
            Step::Audit(row) => Change::Audit(*row),
            Step::Erase(_) | Step::ForgetAudit(_) | Step::ForgetAddresses(_) => return Ok(Vec::new()),
        }])
    };
    store.transact(id, Box::new(decide)).await.map(|changes| changes.len())
}

const NOTHING: Properties = Properties {
    account: 0,
    organizations: Vec::new(),
    active: true,
    paused: false,
    revoked: None,
    deleted: None,
    expires: None,
};

fn update(old: &Entry, id: u8, properties: Option<Properties>) -> Entry {
    let Some(properties) = properties else {
        // To the other pepper, whichever it has.
        let keys = 0..6;
        let other = keys.map(|key| (digest(key, true), digest(key, false))).find_map(|(old_one, new_one)| {
            if old_one.1 == *old.digest() { Some(new_one) } else { (new_one.1 == *old.digest()).then_some(old_one) }
        });
        let (pepper, digest) = other.unwrap();
        return stored(&Entry::new(old.key().clone(), digest, pepper));
    };
    // A registry never restores a revoked key.
    let key = properties.key(id);
    let key = old.key().revoked_at().into_iter().fold(key, KeyInfo::revoked);
    stored(&Entry::new(key, *old.digest(), old.pepper()))
}

/// All pages, one after the other.
async fn keys(store: &dyn RegistryStore, filter: &KeyFilter) -> Vec<Entry> {
    let (mut filter, mut all) = (filter.clone().limit(2), Vec::new());
    loop {
        let Page { items, next, .. } = store.list(&filter).await.unwrap();
        all.extend(items);
        match next {
            Some(next) => filter = filter.after(next),
            None => return all,
        }
    }
}

async fn rows(store: &dyn RegistryStore, filter: &AuditFilter) -> Vec<AuditRow> {
    let (mut filter, mut all) = (filter.clone().limit(3), Vec::new());
    loop {
        let Page { items, next, .. } = store.audit(&filter).await.unwrap();
        all.extend(items);
        match next {
            Some(next) => filter = filter.after(next),
            None => return all,
        }
    }
}

async fn compare(file: &SqliteKeyStore, memory: &MemoryKeyStore, moment: u16) {
    let (from, to) = (time(moment), time(moment + 15));
    for filter in [
        KeyFilter::all().with_deleted(),
        KeyFilter::account("acme"),
        KeyFilter::organization("acme").with_deleted(),
        KeyFilter::organization("beta").deleted_before(to),
        KeyFilter::all().deleted_before(from),
        KeyFilter::all().expires_between(from, to),
        KeyFilter::all().with_deleted().not_under(Some(2)),
        KeyFilter::account("beta").not_under(None),
    ] {
        assert_eq!(keys(file, &filter).await, keys(memory, &filter).await, "{filter:?}");
    }
    for filter in [
        AuditFilter::all(),
        AuditFilter::key("key_1").newest_first(),
        AuditFilter::account("acme").since(from),
        AuditFilter::organization("beta").until(to).newest_first(),
        AuditFilter::all().by("acme").since(from).until(to),
    ] {
        assert_eq!(rows(file, &filter).await, rows(memory, &filter).await, "{filter:?}");
    }
    for key in 0..6 {
        let pepper = |record: KeyRecord| record.pepper(None);
        let found = file.find(&digests(key)).await.unwrap().map(pepper);
        assert_eq!(found, memory.find(&digests(key)).await.unwrap().map(pepper), "{key}");
    }
    let holders: Vec<_> = ACCOUNTS.iter().flat_map(|id| [Holder::account(*id), Holder::organization(*id)]).collect();
    assert_eq!(file.suspended(&holders).await, memory.suspended(&holders).await);
    assert_eq!(file.count_by_pepper().await, memory.count_by_pepper().await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_does_what_the_memory_does(steps in proptest::collection::vec(step(), 1..40), moment in 0..40_u16) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = Folder::new();
            let (file, memory) = (folder.office().await.store, MemoryKeyStore::new());
            for step in &steps {
                let (mine, theirs) = (carry_out(&file, step).await, carry_out(&memory, step).await);
                // The memory also says so of a key that it still has.
                let revoked = theirs == Err(RegistryError::Revoked) && mine == Err(RegistryError::AlreadyExists);
                assert!(mine == theirs || revoked, "{step:?}: {mine:?} {theirs:?}");
                compare(&file, &memory, moment).await;
            }
        });
    }
}
