//! The words of the command line.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::{Args, Parser, Subcommand};

use crate::values::{Format, Note, ago_or_time, duration};

/// Manages keys in the database of the servers.
#[derive(Parser)]
#[command(
    name = "keys",
    after_help = "Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 the database does not answer."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct Common {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE. The environment hides a password better
    #[arg(long, global = true, env = "KEYS_DATABASE", hide_env_values = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// The file of the peppers, one VERSION:HEX a line, the current one first, mode 600
    #[arg(long, global = true, env = "KEYS_SECRETS", value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// Keys are stored as plain SHA-256; with --secrets, such keys are accepted as well
    #[arg(long, global = true)]
    pub(crate) sha256: bool,
    /// The format of keys: a prefix, and how many random characters follow
    #[arg(long, global = true, default_value = "ak:39-40", value_name = "PREFIX:LENGTH")]
    pub(crate) format: Format,
    /// Keys end with a checksum
    #[arg(long, global = true)]
    pub(crate) checksum: bool,
    /// The environments that keys name behind their prefix, such as live,test
    #[arg(long, global = true, value_delimiter = ',', value_name = "E,…")]
    pub(crate) environments: Vec<String>,
    /// Who is written to the audit log [default: the user of the operating system]
    #[arg(long = "as", global = true, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// Prints JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Creates the tables, or brings them up to date
    Migrate,
    /// Says whether the tables fit this program
    Check,
    /// Prints the SQL of the tables, and connects to nothing
    Schema,
    /// Lists keys in the order of their creation
    List(Wanted),
    /// Shows a key
    Show { id: String },
    /// Creates a key, and prints it: it cannot be read again
    Create(Box<NewOptions>),
    /// Creates the successor of a key, and prints it. The old key stays valid for the overlap
    Rotate {
        id: String,
        #[arg(long, value_parser = duration, value_name = "TIME", help = "Such as 1h")]
        overlap: Duration,
    },
    /// Revokes a key and creates its successor in one step, and prints it
    Replace { id: String },
    /// Refuses keys until they are resumed
    Pause {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Ends the pause of keys
    Resume {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Activates deactivated keys
    Activate {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Refuses keys until they are activated
    Deactivate {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes keys: they cannot be restored
    Revoke {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes keys and removes them from lists
    Delete {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes all keys of an account
    RevokeAll {
        #[arg(long)]
        account: String,
    },
    /// Refuses all keys of an account or organisation, also later ones
    Suspend(HolderOption),
    /// Ends the suspension of an account or organisation
    Reinstate(HolderOption),
    /// Removes all keys of an account, and its names from the audit log
    Erase {
        #[arg(long)]
        account: String,
        /// Confirms that it cannot be undone
        #[arg(long)]
        yes: bool,
    },
    /// Removes the entries of keys that were deleted long ago. They can never be used again
    Purge {
        #[arg(long, value_parser = ago_or_time, value_name = "AGE|TIME", help = "Such as 30d")]
        deleted_before: SystemTime,
    },
    /// Lists the audit log
    Audit(AuditOptions),
    /// Imports existing keys from a file of JSON lines
    Import(ImportOptions),
    /// Counts keys by their pepper, and says which pepper may go
    Peppers {
        #[command(subcommand)]
        command: Option<PepperCommand>,
    },
    /// Copies keys, suspensions and the audit log to another database. Stop changes meanwhile
    Copy(Sides),
}

#[derive(Args)]
pub(crate) struct Wanted {
    #[arg(long, conflicts_with = "organization")]
    pub(crate) account: Option<String>,
    #[arg(long)]
    pub(crate) organization: Option<String>,
    /// Lists deleted keys as well
    #[arg(long)]
    pub(crate) deleted: bool,
}

#[derive(Args)]
pub(crate) struct NewOptions {
    #[arg(long)]
    pub(crate) account: String,
    #[arg(long)]
    pub(crate) name: String,
    /// The id [default: a random one]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The subject, if it is not the account
    #[arg(long)]
    pub(crate) subject: Option<String>,
    #[arg(long = "organization", value_name = "O")]
    pub(crate) organizations: Vec<String>,
    #[arg(long = "scope", value_name = "S")]
    pub(crate) scopes: Vec<String>,
    #[arg(long = "role", value_name = "R")]
    pub(crate) roles: Vec<String>,
    #[arg(long)]
    pub(crate) plan: Option<String>,
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// How long the key is valid, such as 90d
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) expires_in: Option<Duration>,
    /// How long the key may be unused, such as 30d
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) idle_after: Option<Duration>,
    /// A network that may use the key, such as 192.0.2.0/24
    #[arg(long = "network", value_name = "CIDR")]
    pub(crate) networks: Vec<String>,
    #[arg(
        long = "origin",
        value_name = "O",
        help = "A web page that may use the key, such as https://app.example.com"
    )]
    pub(crate) origins: Vec<String>,
    /// A note, such as ticket=42
    #[arg(long = "note", value_name = "K=V")]
    pub(crate) notes: Vec<Note>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct HolderOption {
    #[arg(long)]
    pub(crate) account: Option<String>,
    #[arg(long)]
    pub(crate) organization: Option<String>,
}

#[derive(Args)]
pub(crate) struct AuditOptions {
    /// The rows of this key
    #[arg(long, conflicts_with = "account")]
    pub(crate) key: Option<String>,
    /// The rows of this account and of its keys
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// The rows of this actor
    #[arg(long, value_name = "ACTOR")]
    pub(crate) by: Option<String>,
    /// The rows since then, such as 7d or 2026-01-31T00:00:00Z
    #[arg(long, value_parser = ago_or_time, value_name = "AGE|TIME")]
    pub(crate) since: Option<SystemTime>,
    /// The newest row first
    #[arg(long)]
    pub(crate) newest: bool,
    /// The most rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Args)]
pub(crate) struct ImportOptions {
    /// A file with one JSON object a line; - is standard input
    pub(crate) file: PathBuf,
    /// Checks every line against the database, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Subcommand)]
pub(crate) enum PepperCommand {
    /// Moves all keys that are stored as plain SHA-256 under the current pepper
    Move,
}

#[derive(Args)]
pub(crate) struct Sides {
    /// The database to read
    pub(crate) from: String,
    /// The database to write, with its tables
    pub(crate) to: String,
    /// Adds to a database that holds other keys
    #[arg(long)]
    pub(crate) merge: bool,
}
