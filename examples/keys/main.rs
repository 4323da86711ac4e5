//! A command line that manages keys in the database of the servers.
//!
//! ```sh
//! alias keys='cargo run --quiet --example keys --'
//! export KEYS_DATABASE=sqlite:keys.db KEYS_SECRETS=peppers.txt
//! [ -e peppers.txt ] || (umask 077; echo 1:$(openssl rand -hex 32) > peppers.txt)
//! keys migrate
//! keys create --account acme --name ci --scope read --expires-in 90d
//! keys list --account acme
//! ```
//!
//! Results go to standard output, and everything else to standard error. `create`, `rotate` and `replace` print the new key on
//! standard output and nothing else, so that a script can take it. With `--json`, each result is one line of JSON.
//!
//! Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 the database does not answer. The reader of a list may leave before
//! its end. Any other result that cannot be printed is a failure: 1.
//!
//! A password in an argument is visible in the list of processes. `PGPASSWORD`, `PGPASSFILE` and `~/.pgpass` work as with `psql`.
//! A table is as wide as its columns; on a terminal that is narrower, or with `COLUMNS=80`, its rows are printed as lists.
//!
//! `keys copy` moves everything but the usage, the alerts, the sessions and the keys that sign tokens between databases. It is no
//! backup: use that of the database (`pg_dump`, or `.backup` and `VACUUM INTO` of `sqlite3`), and keep the peppers elsewhere. `keys import` reads one JSON object a line; `import/line.rs` lists
//! the properties.

mod alerts;
mod audit;
mod change;
mod copy;
mod create;
mod failure;
mod holders;
mod import;
mod limits;
mod list;
mod open;
mod options;
mod output;
mod peppers;
mod schema;
mod table;
mod usage;
mod values;

#[allow(dead_code, reason = "the servers use the other functions")]
#[path = "../common/database.rs"]
mod database;

use std::process::ExitCode;

use clap::Parser as _;
use failure::Failure;
use options::{Command, Options};
use output::Output;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Options { common, command } = Options::parse();
    let (output, may_leave) = (Output::new(common.json), command.is_a_list());
    match run(command, &common, &output).await.or_else(|failure| failure.of_reader(may_leave)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(common.json),
    }
}

async fn run(command: Command, common: &options::Common, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Migrate => schema::migrate(common, output).await,
        Command::Check => schema::check(common, output).await,
        Command::Schema => schema::print(common, output),
        Command::List(wanted) => list::list(common, output, wanted).await,
        Command::Show { id } => list::show(common, output, &id).await,
        Command::Create(new) => create::create(common, output, *new).await,
        Command::Rotate { id, overlap } => create::rotate(common, output, &id, overlap).await,
        Command::Replace { id } => create::replace(common, output, &id).await,
        Command::Pause { ids } => change::each(common, output, &ids, change::Act::Pause).await,
        Command::Resume { ids } => change::each(common, output, &ids, change::Act::Resume).await,
        Command::Activate { ids } => change::each(common, output, &ids, change::Act::Activate).await,
        Command::Deactivate { ids } => change::each(common, output, &ids, change::Act::Deactivate).await,
        Command::Revoke { ids } => change::each(common, output, &ids, change::Act::Revoke).await,
        Command::Delete { ids } => change::each(common, output, &ids, change::Act::Delete).await,
        Command::RevokeAll { account } => holders::revoke_all(common, output, &account).await,
        Command::Suspend(holder) => holders::suspend(common, output, holder).await,
        Command::Reinstate(holder) => holders::reinstate(common, output, holder).await,
        Command::Erase { account, yes } => holders::erase(common, output, &account, yes).await,
        Command::Purge { deleted_before } => holders::purge(common, output, deleted_before).await,
        Command::Usage(wanted) => usage::usage(common, output, wanted).await,
        Command::Limits { id } => limits::limits(common, output, &id).await,
        Command::Alerts { command } => alerts::alerts(common, output, command).await,
        Command::Audit(wanted) => audit::audit(common, output, wanted).await,
        Command::Import(file) => import::import(common, output, &file).await,
        Command::Peppers { command: None } => peppers::list(common, output).await,
        Command::Peppers { command: Some(options::PepperCommand::Move) } => peppers::move_all(common, output).await,
        Command::Copy(sides) => copy::copy(common, output, &sides).await,
    }
}
