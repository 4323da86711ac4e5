use std::time::SystemTime;

use tokio_postgres::Row;

use super::{
    PostgresKeyStore,
    failure::Failure,
    query::Statement,
    values::{self, At, Hidden, Param, is_impossible, maybe_time_of},
};
use crate::session::{
    CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionMark, SessionRow,
    SessionStore, TokenFacts,
};

/// Each call is one statement, except that [`forget`](SessionStore::forget) takes one for each kind of rows. A change is on disk
/// when it is answered. Tokens are looked up where changes are made and not with the pool for lookups, which may lead to a
/// replica.
impl SessionStore for PostgresKeyStore {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        let row = session.to_row();
        if [Some(&row.id), Some(&row.subject), row.account.as_ref(), row.key_id.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| is_impossible(text))
        {
            return impossible("creating a session");
        }
        let store = self.clone();
        SessionFuture::boxed(async move {
            let values = of_row(row.clone());
            let created = store.change(&store.sql.sessions.create, values, &row.id, |known| *known == row).await;
            if created.map_err(|failure| failure.boxed("creating a session"))? {
                return Ok(());
            }
            Err("PostgreSQL: creating a session: there is a session with this id".into())
        })
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        let (store, id) = (self.clone(), id.to_owned());
        SessionFuture::boxed(async move {
            let found = store.find_row(&id).await.map_err(|failure| failure.boxed("reading a session"))?;
            found.map(SessionRow::into_session).transpose()
        })
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        let (store, next) = (self.clone(), next.to_row());
        SessionFuture::boxed(async move {
            let values: Vec<Param> = vec![
                Box::new(next.id.clone()),
                Box::new(next.generation),
                Box::new(At(next.used_at)),
                Box::new(At(next.expires_at)),
                Box::new(Hidden(next.digest.clone())),
                Box::new(next.replaced.clone()),
            ];
            let is_next = |known: &SessionRow| (known.generation, &known.digest) == (next.generation, &next.digest);
            let rotated = store.change(&store.sql.sessions.rotate, values, &next.id, is_next).await;
            rotated.map_err(|failure| failure.boxed("replacing a session by its next generation"))
        })
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        let (store, id, at) = (self.clone(), id.to_owned(), At::of(at));
        SessionFuture::boxed(async move {
            let values: Vec<Param> = vec![Box::new(id.clone()), Box::new(at), Box::new(why.as_str())];
            let is_ended = |known: &SessionRow| {
                known.ended_at == Some(at.0) && known.ended_because.as_deref() == Some(why.as_str())
            };
            let ended = store.change(&store.sql.sessions.end, values, &id, is_ended).await;
            ended.map_err(|failure| failure.boxed("ending a session"))
        })
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        let mut values: Vec<Param> = vec![Box::new(At::of(at))];
        let doing = "ending all sessions";
        match whose {
            CutOff::Subject(subject) if is_impossible(subject) => impossible(doing),
            CutOff::Subject(subject) => {
                values.extend([Box::new(SessionEnd::LoggedOut.as_str()) as Param, Box::new(subject.clone())]);
                self.ask(doing, |store| (&store.sql.sessions.cut_off, values), |_| Ok(()))
            }
            CutOff::Everyone => self.ask(doing, |store| (&store.sql.sessions.cut_off_everyone, values), |_| Ok(())),
        }
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        let doing = "denying a token";
        if is_impossible(token) {
            return impossible(doing);
        }
        let values: Vec<Param> = vec![Box::new(token.to_owned()), Box::new(At::of(until))];
        self.ask(doing, |store| (&store.sql.sessions.deny, values), |_| Ok(()))
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        // No row has a text that cannot be stored.
        let text = |text: Option<&str>| text.filter(|text| !is_impossible(text)).map(str::to_owned);
        let param = |one: Option<&str>| -> Param { Box::new(text(one)) };
        let organizations: Vec<String> = token.organizations.iter().filter_map(|name| text(Some(name))).collect();
        let values: Vec<Param> = vec![
            param(Some(token.subject)),
            param(token.account),
            Box::new(organizations),
            param(token.session),
            param(token.token),
            param(token.key),
        ];
        self.ask("looking up what is known of a token", |store| (&store.sql.sessions.look, values), findings)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        let names = [&filter.subject, &filter.account, &filter.key];
        if names.into_iter().flatten().any(|name| is_impossible(name)) {
            return SessionFuture::ready(Ok(Vec::new()));
        }
        let (store, names, limit) = (self.clone(), names.map(Clone::clone), filter.limit);
        SessionFuture::boxed(async move {
            let (statement, values) = store.sql.sessions.list(names, limit);
            let rows = store.read(&statement, &values).await.map_err(|failure| failure.boxed("listing sessions"))?;
            rows.iter().map(|row| session_row(row)?.into_session()).collect()
        })
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        let (store, sessions, cut_offs) = (self.clone(), At::of(what.sessions), At::of(what.cut_offs));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        SessionFuture::boxed(async move {
            let sql = &store.sql.sessions;
            let statements = sql.forget_sessions.iter().map(|statement| (statement, sessions));
            let mut removed = 0;
            for (statement, before) in statements.chain([(&sql.forget_cut_offs, cut_offs)]) {
                let values: [Param; 2] = [Box::new(before), Box::new(limit)];
                let rows = store.read(statement, &values).await;
                removed += rows.map_err(|failure| failure.boxed("removing old sessions"))?.len();
            }
            Ok(removed)
        })
    }
}

fn impossible<T>(doing: &str) -> SessionFuture<T> {
    let error = format!("PostgreSQL: {doing}: a name has the character U+0000, which PostgreSQL cannot store");
    SessionFuture::ready(Err(error.into()))
}

impl PostgresKeyStore {
    /// Sends a change of one session, and once more if that may help. The second time has no effect if the first one was
    /// carried out, and its answer was lost: `is_done` says whether the session is as the change has left it. Returns whether
    /// it was changed.
    async fn change(
        &self,
        statement: &Statement,
        values: Vec<Param>,
        id: &str,
        is_done: impl FnOnce(&SessionRow) -> bool,
    ) -> Result<bool, Failure> {
        if is_impossible(id) {
            return Ok(false);
        }
        match self.change_once(statement, &values).await {
            Err(failure) if failure.is_transient() => {}
            answer => return answer,
        }
        Ok(self.change_once(statement, &values).await? || self.find_row(id).await?.is_some_and(|row| is_done(&row)))
    }

    async fn change_once(&self, statement: &Statement, values: &[Param]) -> Result<bool, Failure> {
        let values: Vec<_> = values.iter().map(|value| &**value as _).collect();
        Ok(!self.connection().await?.query(statement, &values).await?.is_empty())
    }

    async fn find_row(&self, id: &str) -> Result<Option<SessionRow>, Failure> {
        if is_impossible(id) {
            return Ok(None);
        }
        let values: [Param; 1] = [Box::new(id.to_owned())];
        let rows = self.read(&self.sql.sessions.find, &values).await?;
        Ok(rows.first().map(session_row).transpose()?)
    }
}

fn of_row(row: SessionRow) -> Vec<Param> {
    vec![
        Box::new(row.id),
        Box::new(row.subject),
        Box::new(row.account),
        Box::new(row.key_id),
        Box::new(row.grant),
        Box::new(At(row.created_at)),
        Box::new(At(row.used_at)),
        Box::new(At(row.expires_at)),
        Box::new(At(row.ends_at)),
        Box::new(row.generation),
        Box::new(Hidden(row.digest)),
        Box::new(row.replaced),
        Box::new(row.ended_at.map(At)),
        Box::new(row.ended_because),
    ]
}

fn session_row(row: &Row) -> Result<SessionRow, tokio_postgres::Error> {
    let at = |column: usize| row.try_get::<_, At>(column).map(|At(micros)| micros);
    Ok(SessionRow {
        id: row.try_get(0)?,
        subject: row.try_get(1)?,
        account: row.try_get(2)?,
        key_id: row.try_get(3)?,
        grant: row.try_get(4)?,
        created_at: at(5)?,
        used_at: at(6)?,
        expires_at: at(7)?,
        ends_at: at(8)?,
        generation: row.try_get(9)?,
        digest: row.try_get(10)?,
        replaced: row.try_get(11)?,
        ended_at: row.try_get::<_, Option<At>>(12)?.map(|At(micros)| micros),
        ended_because: row.try_get(13)?,
    })
}

/// The first column after those of a key.
const AFTER_KEY: usize = 23;

fn findings(rows: &[Row]) -> Result<Findings, Failure> {
    let Some(row) = rows.first() else { return Err(Failure::Row("the server has answered without a row".into())) };
    let time = |column: usize| maybe_time_of(row, AFTER_KEY + column);
    let is = |column: usize| row.try_get::<_, Option<bool>>(AFTER_KEY + column).map(|is| is == Some(true));
    let has_ended = is(1)?;
    let has_key = row.try_get::<_, Option<&[u8]>>(0)?.is_some();
    Ok(Findings {
        session: time(0)?.map(|created_at| SessionMark::new(created_at, has_ended)),
        is_denied: is(2)?,
        cut_off: time(3)?.max(time(4)?),
        key: has_key.then(|| values::record(row)).transpose()?,
        is_suspended: is(5)?,
    })
}
