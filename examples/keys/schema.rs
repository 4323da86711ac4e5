//! The tables: `migrate`, `check` and `schema`.

use serde_json::json;
use tower_auth::sqlite;

use crate::{database::Database, failure::Failure, open, options::Common, output::Output};

pub(crate) async fn migrate(common: &Common, output: &Output) -> Result<(), Failure> {
    let database = open::created(open::url(common)?).await?;
    database.migrate().await.map_err(|error| Failure::Refused(error.to_string()))?;
    Ok(output.either("the tables are up to date", &json!({ "migrated": true }))?)
}

pub(crate) async fn check(common: &Common, output: &Output) -> Result<(), Failure> {
    open::checked(open::url(common)?).await?;
    Ok(output.either("the tables fit", &json!({ "fits": true }))?)
}

pub(crate) fn print(common: &Common, output: &Output) -> Result<(), Failure> {
    let url = open::url(common)?;
    // To open a file would create it.
    let scripts = if url.starts_with("sqlite:") {
        sqlite::MIGRATIONS.iter().map(|text| text.trim().to_owned()).collect()
    } else {
        match Database::open(Some(url)).map_err(|error| Failure::Usage(error.to_string()))? {
            Database::Postgres(store) => store.migrations(),
            _ => Vec::new(),
        }
    };
    for (script, version) in scripts.iter().zip(1..) {
        let text = format!("-- Version {version}\nBEGIN;\n{script}\nCOMMIT;\n");
        output.either(&text, &json!({ "version": version, "sql": script }))?;
    }
    Ok(())
}
