//! The words of the command line.

mod alerts;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

pub(crate) use alerts::{AlertCommand, AlertListOptions, AlertSetOptions};
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::values::{Format, Note, ago_or_time, duration};

const PASSWORDS: &str = "\
Passwords: an argument is visible in the list of processes. Without a password in the URL of PostgreSQL, PGPASSWORD is used, or \
the line of the file PGPASSFILE (~/.pgpass, mode 600) that matches: HOST:PORT:DATABASE:USER:PASSWORD, with * for anything. In \
a name or password of a URL, %40 is @ and %3A is :.

Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 the database does not answer.";

const COPY: &str = "\
Stop the services and commands that change FROM until the copy has ended and TO is in use. A change during the copy is \
noticed, and the command fails; a change after it is lost. A copy that was interrupted is repeated as it is. The peppers are \
not in the database: TO needs the same file. What `keys usage` and `keys alerts` show is not copied: the usage begins at zero in \
TO, and the rules of alerts are set again. Nor are sessions and the keys that sign tokens: clients exchange their keys again, and \
people sign in again.

Passwords: an argument is visible in the list of processes. Leave them out of FROM and TO, and write one line for each database \
in the file PGPASSFILE (~/.pgpass, mode 600): HOST:PORT:DATABASE:USER:PASSWORD.

Exit codes: 0 copied and equal, 1 refused or different, 2 wrong usage, 3 a database does not answer.";

const IMPORT: &str = "\
Properties of a line, of which only account and one of the first three are required:
  key                          the key itself
  sha256                       its SHA-256 in hex; stored under the current pepper
  digest, pepper               its digest under a pepper, and the version of that pepper
  account, id, name, subject   texts
  organizations, scopes, roles lists of texts
  plan, environment, hint      texts
  state                        active, paused, deactivated or revoked
  not_before, expires_at       such as 2026-01-31T00:00:00Z
  restrictions                 an object, as `keys show --json` prints it
  limits                       a list of objects, as `keys show --json` prints it

A line that cannot be imported is reported, and does not stop the others. A key that is there already is counted, so an import \
that was interrupted is repeated as it is.

Exit codes: 0 all lines are there, 1 some are not, 2 wrong usage, 3 the database does not answer.";

const ISSUED: &str = "\
The key goes to standard output, alone, and everything else to standard error. If it cannot be printed, the command fails and \
names the key that nobody has seen.

Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 the database does not answer.";

/// Manages keys in the database of the servers.
#[derive(Parser)]
#[command(name = "keys", version, arg_required_else_help = true, after_help = PASSWORDS)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// The database: sqlite:PATH, or postgres://USER@HOST:PORT/DATABASE. `keys --help` says where a password goes
    #[arg(long, global = true, env = "KEYS_DATABASE", hide_env_values = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// The Redis or Valkey over which the servers tell each other what has changed, if they have one: redis://HOST:PORT
    #[arg(long, global = true, env = "KEYS_REDIS", hide_env_values = true, value_name = "URL")]
    pub(crate) redis: Option<String>,
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
    Show {
        /// The id of the key
        id: String,
    },
    /// Creates a key, and prints it: it cannot be read again
    #[command(after_help = ISSUED)]
    Create(Box<NewOptions>),
    /// Creates the successor of a key, and prints it. The old key stays valid for the overlap
    #[command(after_help = ISSUED)]
    Rotate {
        /// The id of the key
        id: String,
        #[arg(long, value_parser = duration, value_name = "TIME", help = "How long the old key stays valid, such as 1h")]
        overlap: Duration,
    },
    /// Revokes a key and creates its successor in one step, and prints it
    #[command(after_help = ISSUED)]
    Replace {
        /// The id of the key
        id: String,
    },
    /// Refuses keys until they are resumed
    Pause {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Ends the pause of keys
    Resume {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Activates deactivated keys
    Activate {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Refuses keys until they are activated
    Deactivate {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes keys: they cannot be restored
    Revoke {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes keys and removes them from lists
    Delete {
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Revokes all keys of an account
    RevokeAll {
        /// The account
        #[arg(long)]
        account: String,
    },
    /// Refuses all keys of an account or organisation, also later ones
    Suspend(HolderOption),
    /// Ends the suspension of an account or organisation
    Reinstate(HolderOption),
    /// Removes all keys of an account, and its names from the audit log
    Erase {
        /// The account
        #[arg(long)]
        account: String,
        /// Confirms that it cannot be undone
        #[arg(long)]
        yes: bool,
    },
    /// Removes the entries of keys that were deleted long ago. They can never be used again
    Purge {
        #[arg(long, value_parser = ago_or_time, value_name = "AGE|TIME", help = "Deleted before then, such as 30d")]
        deleted_before: SystemTime,
    },
    /// Shows what a key, an account or an organisation has been doing
    Usage(UsageOptions),
    /// Shows the plan of a key, and the windows of limits of its own
    Limits {
        /// The id of the key
        id: String,
    },
    /// Lists alerts, and reads or sets the rules that raise them
    Alerts {
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// Lists the audit log
    Audit(AuditOptions),
    /// Imports existing keys from a file of JSON lines
    #[command(after_help = IMPORT)]
    Import(ImportOptions),
    /// Counts keys by their pepper, and says which pepper may go
    Peppers {
        #[command(subcommand)]
        command: Option<PepperCommand>,
    },
    /// Copies keys, suspensions and the audit log to another database
    #[command(after_help = COPY)]
    Copy(Sides),
}

impl Command {
    /// Returns whether the reader of the output may leave before its end, as `head` does.
    pub(crate) const fn is_a_list(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Show { .. }
                | Self::Usage(_)
                | Self::Limits { .. }
                | Self::Alerts { command: AlertCommand::List(_) | AlertCommand::Rules(_) }
                | Self::Audit(_)
                | Self::Schema
        )
    }
}

#[derive(Args)]
pub(crate) struct Wanted {
    /// The keys of this account
    #[arg(long, conflicts_with = "organization")]
    pub(crate) account: Option<String>,
    /// The keys of this organisation
    #[arg(long)]
    pub(crate) organization: Option<String>,
    /// Lists deleted keys as well
    #[arg(long)]
    pub(crate) deleted: bool,
}

#[derive(Args)]
pub(crate) struct NewOptions {
    /// The account that owns the key
    #[arg(long)]
    pub(crate) account: String,
    /// A name for people, such as ci
    #[arg(long)]
    pub(crate) name: String,
    /// The id [default: a random one]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The subject, if it is not the account
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// An organisation that the key is a member of. It may be repeated
    #[arg(long = "organization", value_name = "O")]
    pub(crate) organizations: Vec<String>,
    /// A scope, such as read. It may be repeated
    #[arg(long = "scope", value_name = "S")]
    pub(crate) scopes: Vec<String>,
    /// A role, such as admin. It may be repeated
    #[arg(long = "role", value_name = "R")]
    pub(crate) roles: Vec<String>,
    /// The plan of the rate limits
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// The environment that the key names, one of --environments
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// How long the key is valid, such as 90d
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) expires_in: Option<Duration>,
    /// How long the key may be unused, such as 30d
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) idle_after: Option<Duration>,
    /// A network that may use the key, such as 192.0.2.0/24. It may be repeated
    #[arg(long = "network", value_name = "CIDR")]
    pub(crate) networks: Vec<String>,
    #[arg(
        long = "origin",
        value_name = "O",
        help = "A web page that may use the key, such as https://app.example.com. It may be repeated"
    )]
    pub(crate) origins: Vec<String>,
    /// A note, such as ticket=42. It may be repeated
    #[arg(long = "note", value_name = "K=V")]
    pub(crate) notes: Vec<Note>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct HolderOption {
    /// An account
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// An organisation
    #[arg(long)]
    pub(crate) organization: Option<String>,
}

#[derive(Args)]
#[command(group(ArgGroup::new("of").required(true).args(["id", "account", "organization"])))]
pub(crate) struct UsageOptions {
    /// The id of the key
    pub(crate) id: Option<String>,
    /// All keys and tokens of this account
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// All keys and tokens of this organisation
    #[arg(long)]
    pub(crate) organization: Option<String>,
    /// How many days, today included. Days begin at midnight UTC
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) days: u32,
    /// By the hour, for the last two days
    #[arg(long, conflicts_with = "days")]
    pub(crate) hours: bool,
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
    /// The database to read: a URL as of --database
    pub(crate) from: String,
    /// The database to write. `keys migrate --database TO` creates its tables
    pub(crate) to: String,
    /// Adds to a database that holds other keys
    #[arg(long)]
    pub(crate) merge: bool,
}
