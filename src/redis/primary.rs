//! Whether a server is a primary, as it says itself.

/// A primary in one term of office: a server that is demoted and promoted again is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Primary(String);

impl Primary {
    /// Reads the answer to `INFO replication`. A replica returns the error.
    pub(super) fn read(info: &str) -> Result<Self, &'static str> {
        if field(info, "role") != Some("master") {
            return Err("this server is not a primary");
        }
        // It changes when a replica becomes a primary. Servers that speak the protocol and have no replicas may have none.
        Ok(Self(field(info, "master_replid").unwrap_or_default().to_owned()))
    }
}

/// The value of a line such as `role:master`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_is_known_by_its_term() {
        let info = |role, id| format!("# Replication\r\nrole:{role}\r\nconnected_slaves:0\r\nmaster_replid:{id}\r\n");
        let first = Primary::read(&info("master", "8a1f")).unwrap();
        assert_eq!(first, Primary::read(&info("master", "8a1f")).unwrap());
        assert_ne!(first, Primary::read(&info("master", "77c0")).unwrap());
        assert!(Primary::read(&info("slave", "8a1f")).is_err());
        assert!(Primary::read("").is_err());
    }
}
