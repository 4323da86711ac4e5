use std::time::SystemTime;

use rusqlite::{Row, ToSql, params, params_from_iter};

use super::{
    SqliteKeyStore,
    failure::{Failure, is_duplicate},
    lane::Lane,
    query::next_micros,
    rows,
    session::Session as Connection,
    session_sql as sql,
    usage::lists,
    write::begin,
};
use crate::{
    registry::{micros, time},
    session::{
        CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionMark, SessionRow,
        SessionStore, TokenFacts,
    },
};

/// Each change is on disk when it is answered. Tokens are checked on the threads for lookups.
impl SessionStore for SqliteKeyStore {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        let row = session.to_row();
        self.work(writer, move |connection| create(connection, &row))
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        let id = id.to_owned();
        self.work(lookups, move |connection| Ok(all(connection, sql::FIND, &[&id])?.pop()))
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        let row = next.to_row();
        self.work(writer, move |connection| {
            let SessionRow { id, generation, used_at, expires_at, digest, replaced, .. } = row;
            let arguments = params![id, generation, used_at, expires_at, digest, replaced];
            Ok(execute(connection, sql::ROTATE, arguments)? > 0)
        })
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        let id = id.to_owned();
        self.work(writer, move |connection| {
            Ok(execute(connection, sql::END, params![id, micros(at), why.as_str()])? > 0)
        })
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        let whose = whose.clone();
        self.work(writer, move |connection| cut_off(connection, &whose, micros(at)))
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        let token = token.to_owned();
        self.work(writer, move |connection| execute(connection, sql::DENY, params![token, micros(until)]).map(drop))
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let organizations = serde_json::Value::from(token.organizations).to_string();
        let (subject, account) = (token.subject.to_owned(), owned(token.account));
        let ids = [owned(token.session), owned(token.token), owned(token.key)];
        self.work(lookups, move |connection| {
            let [session, token, key] = ids;
            look(connection, params![subject, account, organizations, session, token, key])
        })
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        let filter = filter.clone();
        self.work(lists, move |connection| list(connection, filter))
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        let (sessions, cut_offs) = (next_micros(what.sessions), next_micros(what.cut_offs));
        let arguments = (sessions, cut_offs, i64::try_from(limit).unwrap_or(i64::MAX));
        self.work(writer, move |connection| forget(connection, arguments))
    }
}

fn writer(store: &SqliteKeyStore) -> &Lane {
    &store.0.writer
}

fn lookups(store: &SqliteKeyStore) -> &Lane {
    &store.0.lookups
}

fn execute(connection: &mut Connection<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Failure> {
    let to = || Failure::to("change sessions");
    connection.prepared(text).map_err(to())?.execute(arguments).map_err(to())
}

fn create(connection: &mut Connection<'_>, row: &SessionRow) -> Result<(), Failure> {
    let arguments = params![
        row.id,
        row.subject,
        row.account,
        row.key_id,
        row.grant,
        row.created_at,
        row.used_at,
        row.expires_at,
        row.ends_at,
        row.generation,
        row.digest,
        row.replaced,
        row.ended_at,
        row.ended_because,
    ];
    match execute(connection, sql::CREATE, arguments).map(drop) {
        Err(Failure::Sqlite { cause, .. }) if is_duplicate(&cause) => {
            Err(Failure::Other("there is a session with this id".into()))
        }
        other => other,
    }
}

/// Ends the sessions and keeps the time in one transaction, so that no session is created in between.
fn cut_off(connection: &mut Connection<'_>, whose: &CutOff, at: i64) -> Result<(), Failure> {
    let transaction = begin(connection)?;
    match whose {
        CutOff::Subject(subject) => {
            execute(connection, sql::CUT_OFF, params![at, subject])?;
            execute(connection, sql::END_OF_SUBJECT, params![at, SessionEnd::LoggedOut.as_str(), subject])?;
        }
        CutOff::Everyone => drop(execute(connection, sql::CUT_OFF_EVERYONE, params![at])?),
    }
    transaction.commit().map_err(Failure::to("commit the end of sessions"))
}

fn look(connection: &mut Connection<'_>, arguments: &[&dyn ToSql]) -> Result<Findings, Failure> {
    let to = || Failure::to("look up what is known of a token");
    let statement = connection.prepared(sql::LOOK).map_err(to())?;
    statement.query_row(arguments, |row| Ok(findings(row))).map_err(to())?
}

fn findings(row: &Row<'_>) -> Result<Findings, Failure> {
    let to = || Failure::to("read what is known of a token");
    let at = |column: usize| row.get::<_, Option<i64>>(sql::GUARD_COLUMNS + column).map_err(to());
    let key = row.get_ref(0).map_err(to())?;
    let key = if key == rusqlite::types::ValueRef::Null { None } else { Some(rows::record(row).map_err(to())??) };
    let has_ended = at(1)?.is_some_and(|is| is != 0);
    Ok(Findings {
        session: at(0)?.map(time).transpose()?.map(|created| SessionMark::new(created, has_ended)),
        is_denied: at(2)? == Some(1),
        cut_off: at(3)?.max(at(4)?).map(time).transpose()?,
        key,
        is_suspended: at(5)? == Some(1),
    })
}

fn list(connection: &mut Connection<'_>, filter: SessionFilter) -> Result<Vec<Session>, Failure> {
    let conditions =
        [(" AND subject = ?", filter.subject), (" AND account = ?", filter.account), (" AND key_id = ?", filter.key)];
    let chosen = conditions.into_iter().filter_map(|(condition, name)| Some((condition, name?)));
    let (conditions, names): (String, Vec<String>) = chosen.unzip();
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let arguments: Vec<&dyn ToSql> = names.iter().map(|name| name as _).chain([&limit as _]).collect();
    all(connection, &sql::list(&conditions), &arguments)
}

fn all(connection: &mut Connection<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<Vec<Session>, Failure> {
    let to = || Failure::to("read sessions");
    let statement = connection.prepared(text).map_err(to())?;
    let rows = statement.query_map(params_from_iter(arguments), session_row).map_err(to())?;
    rows.map(|row| Ok(row.map_err(to())?.into_session()?)).collect()
}

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: row.get(0)?,
        subject: row.get(1)?,
        account: row.get(2)?,
        key_id: row.get(3)?,
        grant: row.get(4)?,
        created_at: row.get(5)?,
        used_at: row.get(6)?,
        expires_at: row.get(7)?,
        ends_at: row.get(8)?,
        generation: row.get(9)?,
        digest: row.get(10)?,
        replaced: row.get(11)?,
        ended_at: row.get(12)?,
        ended_because: row.get(13)?,
    })
}

/// Removes one batch. The arguments are the times, and the largest number of rows of each kind.
fn forget(connection: &mut Connection<'_>, (sessions, cut_offs, limit): (i64, i64, i64)) -> Result<usize, Failure> {
    let transaction = begin(connection)?;
    let arguments = params![sessions, cut_offs, limit];
    let removed =
        sql::FORGET.iter().try_fold(0, |sum, text| Ok::<_, Failure>(sum + execute(connection, text, arguments)?))?;
    transaction.commit().map_err(Failure::to("commit the removal of old sessions"))?;
    Ok(removed)
}
