//! What is removed in batches.

use deadpool_postgres::tokio_postgres::types::ToSql;

use super::{
    PostgresKeyStore,
    connection::Connection,
    failure::Failure,
    query::Statement,
    transact::begin_again,
    values::{At, is_impossible},
};
use crate::{BoxError, registry::Forget};

/// Removes one batch in a transaction, and returns its size.
pub(super) async fn forget(store: PostgresKeyStore, what: Forget, limit: usize) -> Result<usize, Failure> {
    let all = &store.sql.forgetting;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (statements, of): (_, &(dyn ToSql + Sync)) = match &what {
        Forget::Audit { before } => (std::slice::from_ref(&all.audit), &At::of(*before)),
        Forget::Addresses { before } => (std::slice::from_ref(&all.addresses), &At::of(*before)),
        Forget::Account { account } if is_impossible(account) => return Ok(0),
        Forget::Account { account } => (&all.account[..], account),
    };
    let (connection, _) = begin_again(&store, &[]).await?;
    let mut forgotten = 0;
    for statement in statements {
        forgotten = count(&connection, statement, &[of, &limit]).await?;
        if forgotten > 0 {
            break;
        }
    }
    connection.commit("COMMIT").await?;
    Ok(forgotten)
}

async fn count(
    connection: &Connection,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
) -> Result<usize, Failure> {
    let rows = connection.run(statement, values).await?;
    let count = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or_default();
    Ok(usize::try_from(count).map_err(BoxError::from)?)
}
