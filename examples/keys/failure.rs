//! Why a command has failed, and its exit code.

use std::{io, process::ExitCode};

use tower_auth::RegistryError;

pub(crate) enum Failure {
    /// Exit code 1.
    Refused(String),
    /// Exit code 2.
    Usage(String),
    /// Exit code 3.
    Unreachable(String),
    /// Whoever reads standard output has seen enough.
    Closed,
}

impl Failure {
    /// Prints the failure on standard error.
    pub(crate) fn tell(self, json: bool) -> ExitCode {
        let (code, text) = match self {
            Self::Refused(text) => (1, text),
            Self::Usage(text) => (2, text),
            Self::Unreachable(text) => (3, text),
            Self::Closed => return ExitCode::SUCCESS,
        };
        if json {
            eprintln!("{}", serde_json::json!({ "error": text, "exit": code }));
        } else {
            eprintln!("keys: {text}");
        }
        ExitCode::from(code)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Store(_) => Self::Unreachable(error.to_string()),
            other => Self::Refused(other.to_string()),
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
