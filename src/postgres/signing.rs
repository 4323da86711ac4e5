use std::time::SystemTime;

use tokio_postgres::Row;

use super::{
    PostgresKeyStore,
    failure::Failure,
    transact::begin_again,
    values::{At, Hidden, Param, is_impossible, time_of},
};
use crate::{
    BoxError,
    session::signing::{SigningFuture, SigningKeyStore, StoredSigningKey},
    token::Algorithm,
};

/// A change is on disk when it is answered.
impl SigningKeyStore for PostgresKeyStore {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        let read = |rows: &[Row]| rows.iter().map(key).collect();
        self.ask("reading signing keys", |store| (&store.sql.signing.all, Vec::new()), read)
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        if [Some(&key.id), Some(&key.public), key.after.as_ref()].into_iter().flatten().any(|text| is_impossible(text))
        {
            let error =
                "PostgreSQL: adding a signing key: a text has the character U+0000, which PostgreSQL cannot store";
            return SigningFuture::ready(Err(error.into()));
        }
        let store = self.clone();
        SigningFuture::boxed(async move {
            let added = store.add_key(key).await;
            added.map_err(|failure| failure.boxed("adding a signing key"))
        })
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        if is_impossible(id) {
            return SigningFuture::ready(Ok(()));
        }
        let values: Vec<Param> = vec![Box::new(id.to_owned()), Box::new(Hidden(sealed))];
        self.ask("encrypting a signing key anew", |store| (&store.sql.signing.reseal, values), |_| Ok(()))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        if is_impossible(id) {
            return SigningFuture::ready(Ok(()));
        }
        let values: Vec<Param> = vec![Box::new(id.to_owned())];
        self.ask("removing a signing key", |store| (&store.sql.signing.remove, values), |_| Ok(()))
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        let time = |rows: &[Row]| Ok(rows.first().map(|row| time_of(row, 0)).transpose()?);
        self.ask("reading the time", |store| (&store.sql.signing.time, Vec::new()), time)
    }
}

impl PostgresKeyStore {
    /// Adds a key in a transaction that waits for others, so that the newest key is still the newest when its successor is
    /// written.
    async fn add_key(&self, key: StoredSigningKey) -> Result<bool, Failure> {
        let sealed = Hidden(key.sealed);
        let (connection, _) = begin_again(self, &[]).await?;
        let (algorithm, signs_from) = (key.algorithm.name(), At::of(key.signs_from));
        let rows = connection
            .run(&self.sql.signing.add, &[&key.id, &algorithm, &key.public, &sealed, &signs_from, &key.after])
            .await?;
        connection.commit("COMMIT").await?;
        Ok(!rows.is_empty())
    }
}

fn key(row: &Row) -> Result<StoredSigningKey, Failure> {
    let (id, algorithm): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
    let algorithm = Algorithm::from_name(algorithm).ok_or_else(|| unknown(&id, algorithm))?;
    let (public, sealed): (String, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
    let after = row.try_get(5)?;
    Ok(StoredSigningKey { after, ..StoredSigningKey::new(id, algorithm, public, sealed, time_of(row, 4)?) })
}

fn unknown(id: &str, algorithm: &str) -> BoxError {
    format!("the signing key {id:?} is of the algorithm {algorithm:?}, which this version does not know").into()
}
