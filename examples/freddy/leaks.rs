//! Keys that GitHub has found in public repositories.

use tower_auth::{
    BoxError,
    leaks::{GitHubKeys, LeakReports},
};

use crate::common::keys::Keys;

/// Returns the endpoint for GitHub's reports. They are verified with the keys in this file, the document at
/// [`GitHubKeys::URL`]. A service in production fetches them: `GitHubKeys::fetched`.
pub(crate) fn reports(keys: &Keys, file: &str) -> Result<LeakReports, BoxError> {
    let document = std::fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let reports = LeakReports::new(keys.registry.clone(), keys.unwatched.clone(), GitHubKeys::from_json(&document)?);
    // A service in production tells the owner of the key. This one has only a log, in which the crate tells it.
    Ok(reports
        .on_leak(|leak| tracing::info!(account = leak.account, outcome = leak.outcome.as_str(), "tell the owner")))
}
