use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HolderOption;

const RULES: &str = "\
Rules, as a JSON array. Each has a type, and the number that belongs to the type:
  {\"type\":\"limit_used\",\"percent\":80}   so much of a limit of the plan is used: 1 to 100
  {\"type\":\"expiring\",\"days\":14}        a key expires within so many days: 1 to 365
  {\"type\":\"old_key_used\",\"hours\":24}   a key is used so long after its rotation: 1 to 8760
  {\"type\":\"new_network\"}               a key is used from a network for the first time
  {\"type\":\"refusals\",\"per_hour\":100}   so many requests with a key are refused in an hour: 1 or more
  {\"type\":\"idle\",\"days\":90}            a key is not used for so many days: 1 to 3650

They replace all earlier rules; [] removes them. The servers follow them within 30 seconds, and deliver the alerts. If one rule is \
wrong, nothing is changed.

Exit codes: 0 done, 1 a rule is wrong, 2 wrong usage, 3 the database does not answer.";

#[derive(Subcommand)]
pub(crate) enum AlertCommand {
    /// Lists the last alerts, the latest first, and whether they were delivered
    List(AlertListOptions),
    /// Lists the rules of an account or organisation
    Rules(HolderOption),
    /// Replaces the rules of an account or organisation
    #[command(after_help = RULES)]
    Set(AlertSetOptions),
}

#[derive(Args)]
pub(crate) struct AlertListOptions {
    #[command(flatten)]
    pub(crate) holder: HolderOption,
    /// The most alerts
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Args)]
pub(crate) struct AlertSetOptions {
    #[command(flatten)]
    pub(crate) holder: HolderOption,
    /// A file with a JSON array of rules; - is standard input
    pub(crate) file: PathBuf,
}
