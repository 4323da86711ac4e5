//! What went wrong with Redis, as text for a log, with advice.

use std::fmt::{self, Display};

use redis::RedisError;

/// Why Redis did not do what it was asked to do. No text of it has a secret.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(what: impl Display) -> Self {
        Self(format!("Redis: {what}"))
    }

    pub(super) fn at(server: impl Display, what: impl Display) -> Self {
        Self(format!("Redis at {server}: {what}"))
    }

    /// The login failed. Only the code of the error is shown: a server that does not know a command repeats its arguments, and
    /// the password is one of them.
    pub(super) fn login(server: impl Display, error: &RedisError) -> Self {
        let code = match error.code() {
            Some(code) => code.to_owned(),
            None if error.is_io_error() => error.to_string(),
            None => error.category().to_owned(),
        };
        // It fails with the code of any other error.
        let is_database = error.to_string().contains("switch database");
        let advice = match &*code {
            _ if is_database => "check the number of the database in the URL, and that the user may use SELECT",
            "WRONGPASS" | "NOAUTH" => "check the user and the password in the URL",
            "NOPERM" => PERMISSIONS,
            _ => "check that this is Redis 6 or later, or Valkey, and the user and the password in the URL",
        };
        Self::at(server, format_args!("the login failed ({code}); help: {advice}"))
    }

    pub(super) fn answered(server: impl Display, error: &RedisError) -> Self {
        match advice(error) {
            Some(advice) => Self::at(server, format_args!("{error}; help: {advice}")),
            None => Self::at(server, error),
        }
    }
}

const PERMISSIONS: &str = "give the user of the URL the permissions that the page of the module `redis` lists";

fn advice(error: &RedisError) -> Option<&'static str> {
    // The error of a transaction has no code of its own, only those of its commands in its text.
    let text = error.to_string().to_ascii_lowercase();
    let advice = [
        ("noperm", PERMISSIONS),
        // What a script may not do has another code, in Redis and in Valkey.
        ("can't run this command", PERMISSIONS),
        ("acl failure in script", PERMISSIONS),
        ("unknown command", "sharded channels need Redis 7 or later, or Valkey"),
        ("cluster support disabled", "this server is not in a cluster: use RedisConfig::url"),
    ];
    advice.into_iter().find(|(part, _)| text.contains(part)).map(|(_, advice)| advice)
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
