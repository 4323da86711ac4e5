//! `peppers` and `peppers move`.

use serde_json::json;

use crate::{
    failure::Failure,
    open::{Keys, required},
    options::Common,
    output::{Output, print_line},
    table::Table,
};

pub(crate) async fn list(common: &Common, output: &Output) -> Result<(), Failure> {
    let keys = Keys::with_scheme(common).await?;
    let mut table = Table::new(["version", "keys", "removed", "accepted", "may go"]);
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for used in keys.registry.peppers(&keys.actor).await? {
        if output.json {
            let (version, keys, removed) = (used.version, used.keys, used.removed);
            let (accepted, may_go) = (used.accepted, used.may_go);
            let line =
                json!({ "version": version, "keys": keys, "removed": removed, "accepted": accepted, "may_go": may_go });
            print_line(&line.to_string())?;
        } else {
            let version = used.version.map_or_else(|| "plain SHA-256".to_owned(), |version| version.to_string());
            table.row(&[
                version,
                used.keys.to_string(),
                used.removed.to_string(),
                word(used.accepted),
                word(used.may_go),
            ]);
        }
    }
    if !output.json {
        table.print()?;
    }
    Ok(())
}

pub(crate) async fn move_all(common: &Common, output: &Output) -> Result<(), Failure> {
    if required(common)?.current_version().is_none() {
        return Err(Failure::Usage("name the file of the peppers with --secrets".to_owned()));
    }
    output.note("every server must accept the current pepper and plain SHA-256 (KeyScheme::accept_sha256) meanwhile");
    let keys = Keys::with_scheme(common).await?;
    let moved = keys.registry.move_under_pepper(&keys.actor).await?;
    Ok(output.either(&format!("moved {moved} keys"), &json!({ "moved": moved }))?)
}
