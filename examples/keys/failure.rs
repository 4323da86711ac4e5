//! Why a command has failed, and its exit code.

use std::{io, process::ExitCode};

use tower_auth::{RegistryError, alerts::AlertError, usage::UsageError};

use crate::output::tell;

pub(crate) enum Failure {
    /// Exit code 1.
    Refused(String),
    /// Exit code 2.
    Usage(String),
    /// Exit code 3.
    Unreachable(String),
    /// Standard output is a pipe that nobody reads any more.
    Closed,
}

impl Failure {
    /// Returns what a closed pipe means. The reader of a list may leave when it has seen enough. The result of any other command
    /// is lost.
    pub(crate) fn of_reader(self, may_leave: bool) -> Result<(), Self> {
        match self {
            Self::Closed if may_leave => Ok(()),
            Self::Closed => Err(Self::Refused(
                "the command is done, but its result is lost: nobody reads standard output".to_owned(),
            )),
            other => Err(other),
        }
    }

    /// Prints the failure on standard error.
    pub(crate) fn tell(self, json: bool) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Usage(text) => (2, text),
            Self::Unreachable(text) => (3, text),
            Self::Closed => (1, "nobody reads standard output".to_owned()),
        };
        if json {
            tell(&serde_json::json!({ "error": text, "exit": code }).to_string());
        } else {
            tell(&format!("keys: {text}"));
        }
        ExitCode::from(code)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Store(_) | RegistryError::NotAwaited { .. } => Self::Unreachable(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<AlertError> for Failure {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::Rules(_) => Self::Refused(error.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// An error of standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Refused(format!("standard output: {error}")),
        }
    }
}
