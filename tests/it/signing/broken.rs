//! The store in memory passes all checks, and the checks see a store that does not conform.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tower_auth::{testing::conformance, token::Algorithm};

use super::*;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_signing_keys(async || MemoryKeyStore::new()).await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Algorithms are lost.
    Algorithms,
    /// Times have milliseconds.
    Milliseconds,
    /// The public part is read and written as JSON.
    Reformatted,
    /// The encrypted part is a text.
    Text,
    /// The predecessor is not kept.
    Orphans,
    /// By time.
    ByTime,
    ById,
    /// The newest first.
    Reversed,
    /// A second first key.
    SecondFirst,
    /// A second successor.
    SecondSuccessor,
    /// A successor of an unknown key.
    Unknown,
    /// The same id again.
    SameId,
    /// A refused key replaces the newest.
    Replaces,
    /// A refused key is an error.
    Complains,
    /// All keys are resealed.
    ResealsAll,
    /// Resealing does nothing.
    Lazy,
    /// An unknown id is an error.
    Strict,
    /// An unknown id is added by resealing.
    Upserts,
    /// Nothing is removed.
    Keeps,
    /// The newest key is removed.
    RemovesNewest,
    /// The predecessors are removed too.
    RemovesAllBefore,
    /// A removed key makes room for another successor: a unique index on `after` alone.
    IndexOnAfter,
    /// It reads, lets others run, and writes.
    Racy,
    /// Its time is that of a zone.
    Zone,
    /// Its time does not go on.
    Stopped,
    /// It does not return its time.
    Timeless,
}

/// A store of rows with one fault.
#[derive(Clone)]
struct Broken {
    rows: Rows,
    fault: Fault,
}

type Row = StoredSigningKey;

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn kept(&self, mut key: Row) -> Row {
        match self.fault {
            Fault::Algorithms => key.algorithm = Algorithm::Es256,
            Fault::Milliseconds => {
                let since = key.signs_from.duration_since(SystemTime::UNIX_EPOCH).unwrap();
                key.signs_from =
                    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap());
            }
            Fault::Reformatted => key.public = serde_json::from_str::<Value>(&key.public).unwrap().to_string(),
            Fault::Text => key.sealed = String::from_utf8_lossy(&key.sealed).into_owned().into_bytes(),
            Fault::Orphans => key.after = None,
            _ => {}
        }
        key
    }

    fn fits(&self, rows: &[Row], key: &Row) -> bool {
        let newest = rows.last().map(|newest| &newest.id);
        let follows = match self.fault {
            Fault::SecondFirst => key.after.is_none() || key.after.as_ref() == newest,
            Fault::SecondSuccessor => {
                key.after.is_none() == rows.is_empty()
                    && key.after.iter().all(|after| rows.iter().any(|row| row.id == *after))
            }
            Fault::Unknown => {
                key.after.as_ref() == newest || key.after.iter().any(|after| rows.iter().all(|row| row.id != *after))
            }
            Fault::IndexOnAfter => {
                let known = key.after.iter().all(|after| rows.iter().any(|row| row.id == *after));
                known && rows.iter().all(|row| row.after != key.after)
            }
            _ => key.after.as_ref() == newest,
        };
        follows && (self.is(Fault::SameId) || rows.iter().all(|row| row.id != key.id))
    }

    fn add(&self, key: Row) -> bool {
        self.rows.change(|rows| {
            let fits = self.fits(rows, &key);
            if !fits && self.is(Fault::Replaces) && !rows.is_empty() {
                rows.pop();
                rows.push(self.kept(key));
            } else if fits {
                rows.push(self.kept(key));
            }
            fits
        })
    }
}

impl SigningKeyStore for Broken {
    fn signing_keys(&self) -> SigningFuture<Vec<Row>> {
        let mut rows = self.rows.change(|rows| rows.clone());
        match self.fault {
            Fault::ByTime => rows.sort_by_key(|row| row.signs_from),
            Fault::ById => rows.sort_by(|one, other| one.id.cmp(&other.id)),
            Fault::Reversed => rows.reverse(),
            _ => {}
        }
        SigningFuture::ready(Ok(rows))
    }

    fn add_signing_key(&self, key: Row) -> SigningFuture<bool> {
        if self.is(Fault::Racy) {
            let (store, fits) = (self.clone(), self.rows.change(|rows| self.fits(rows, &key)));
            return SigningFuture::boxed(async move {
                tokio::task::yield_now().await;
                store.rows.change(|rows| rows.extend(fits.then_some(key)));
                Ok(fits)
            });
        }
        match self.add(key) {
            false if self.is(Fault::Complains) => SigningFuture::ready(Err("duplicate key".into())),
            added => SigningFuture::ready(Ok(added)),
        }
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        let (all, known) = (self.is(Fault::ResealsAll), self.rows.change(|rows| rows.iter().any(|row| row.id == id)));
        self.rows.change(|rows| {
            for row in rows.iter_mut().filter(|row| !self.is(Fault::Lazy) && (all || row.id == id)) {
                row.sealed.clone_from(&sealed);
            }
            if !known && self.is(Fault::Upserts) {
                rows.push(Row::new(id, Algorithm::Es256, "{}", sealed, SystemTime::UNIX_EPOCH));
            }
        });
        SigningFuture::ready(if !known && self.is(Fault::Strict) { Err("no rows".into()) } else { Ok(()) })
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        self.rows.change(|rows| {
            let Some(place) = rows.iter().position(|row| row.id == id) else { return };
            let is_newest = place + 1 == rows.len();
            match self.fault {
                Fault::Keeps => {}
                Fault::RemovesAllBefore if !is_newest => drop(rows.drain(..=place)),
                _ if is_newest && !self.is(Fault::RemovesNewest) => {}
                _ => drop(rows.remove(place)),
            }
        });
        SigningFuture::ready(Ok(()))
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        SigningFuture::ready(match self.fault {
            Fault::Zone => Ok(Some(SystemTime::now() + HOUR)),
            Fault::Stopped => Ok(Some(SystemTime::UNIX_EPOCH)),
            Fault::Timeless => Err("no such function".into()),
            _ => Ok(Some(SystemTime::now())),
        })
    }
}

async fn conforms(fault: Fault) -> bool {
    let fresh = async || Broken { rows: Rows::default(), fault };
    AssertUnwindSafe(conformance::check_signing_keys(fresh)).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_checks_find_each_fault() {
    assert!(conforms(Fault::None).await);
    for fault in [
        Fault::Algorithms,
        Fault::Milliseconds,
        Fault::Reformatted,
        Fault::Text,
        Fault::Orphans,
        Fault::ByTime,
        Fault::ById,
        Fault::Reversed,
        Fault::SecondFirst,
        Fault::SecondSuccessor,
        Fault::Unknown,
        Fault::SameId,
        Fault::Replaces,
        Fault::Complains,
        Fault::ResealsAll,
        Fault::Lazy,
        Fault::Strict,
        Fault::Upserts,
        Fault::Keeps,
        Fault::RemovesNewest,
        Fault::RemovesAllBefore,
        Fault::IndexOnAfter,
        Fault::Racy,
        Fault::Zone,
        Fault::Stopped,
        Fault::Timeless,
    ] {
        assert!(!conforms(fault).await, "{fault:?} is not noticed");
    }
}
