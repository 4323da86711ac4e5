use rusqlite::{Row, ToSql, params};

use super::{SqliteKeyStore, failure::Failure, lane::Lane, session::Session, signing_sql as sql, usage::lists};
use crate::{
    BoxError,
    registry::{micros, time},
    session::signing::{SigningFuture, SigningKeyStore, StoredSigningKey},
    token::Algorithm,
};

/// Each change is one statement, and on disk when it is answered. What a key was sealed with before is overwritten in the file.
impl SigningKeyStore for SqliteKeyStore {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        self.work(lists, all)
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        self.work(writer, move |session| {
            let StoredSigningKey { id, algorithm, public, sealed, signs_from, after } = key;
            let arguments = params![id, algorithm.name(), public, sealed, micros(signs_from), after];
            Ok(execute(session, sql::ADD, arguments)? > 0)
        })
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        let id = id.to_owned();
        self.work(writer, move |session| execute(session, sql::RESEAL, params![id, sealed]).map(drop))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        let id = id.to_owned();
        self.work(writer, move |session| execute(session, sql::REMOVE, params![id]).map(drop))
    }
}

fn writer(store: &SqliteKeyStore) -> &Lane {
    &store.0.writer
}

fn execute(session: &mut Session<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Failure> {
    let to = || Failure::to("change signing keys");
    session.prepared(text).map_err(to())?.execute(arguments).map_err(to())
}

fn all(session: &mut Session<'_>) -> Result<Vec<StoredSigningKey>, Failure> {
    let to = || Failure::to("read signing keys");
    let statement = session.prepared(sql::ALL).map_err(to())?;
    let rows = statement.query_map([], |row| Ok(key(row))).map_err(to())?;
    rows.map(|row| row.map_err(to())?).collect()
}

fn key(row: &Row<'_>) -> Result<StoredSigningKey, Failure> {
    let to = || Failure::to("read a signing key");
    let read = || Ok::<_, rusqlite::Error>((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?));
    let (id, algorithm, public, sealed): (String, _, String, Vec<u8>) = read().map_err(to())?;
    let algorithm = Algorithm::from_name(&algorithm).ok_or_else(|| unknown(&id, &algorithm))?;
    let signs_from = time(row.get(4).map_err(to())?)?;
    let after = row.get(5).map_err(to())?;
    Ok(StoredSigningKey { after, ..StoredSigningKey::new(id, algorithm, public, sealed, signs_from) })
}

fn unknown(id: &str, algorithm: &str) -> BoxError {
    format!("the signing key {id:?} is of the algorithm {algorithm:?}, which this version does not know").into()
}
