//! A report as GitHub sends it, and the answer.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::{Rejection, RejectionKind, Secret, base::hex, key::sha256};

/// One leaked token, of which nothing is known yet.
pub(super) struct Finding {
    pub(super) token: Secret,
    /// The name of the pattern that GitHub has found it by.
    pub(super) kind: String,
    pub(super) url: String,
    pub(super) source: String,
}

/// Reads the findings. A token that is reported twice counts once. Unknown members are ignored, because GitHub may add
/// some.
pub(super) fn read(body: &[u8], wanted: Option<&[String]>) -> Result<Vec<Finding>, Rejection> {
    // The error of the parser is dropped: it may show a part of a token.
    let all: Vec<Map<String, Value>> = match serde_json::from_slice(body) {
        Ok(all) => all,
        Err(error) if error.is_data() => return Err(misshapen()),
        Err(_) => return Err(Rejection::new(RejectionKind::InvalidJson)),
    };
    let findings = all.into_iter().map(|entry| finding(entry).ok_or_else(misshapen));
    let mut findings = findings.collect::<Result<Vec<Finding>, Rejection>>()?;
    let reported = findings.len();
    findings.retain(|finding| wanted.is_none_or(|wanted| wanted.contains(&finding.kind)));
    if findings.len() < reported {
        let others = reported - findings.len();
        tracing::warn!(target: "tower_auth", others, "reported keys are of types that LeakReports::token_types leaves out");
    }
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert(digest(finding)));
    Ok(findings)
}

fn finding(mut entry: Map<String, Value>) -> Option<Finding> {
    // What has no value may be missing or null.
    let mut text = |name: &str| match entry.remove(name) {
        Some(Value::String(text)) => Some(Some(text)),
        None | Some(Value::Null) => Some(None),
        Some(_) => None,
    };
    let token = Secret::new(text("token")??);
    let (kind, url, source) = (text("type")?, text("url")?, text("source")?);
    Some(Finding {
        token,
        kind: kind.unwrap_or_default(),
        url: url.unwrap_or_default(),
        source: source.unwrap_or_default(),
    })
}

/// 400: the signature is good, so this is a format that this version does not know.
fn misshapen() -> Rejection {
    Rejection::new(RejectionKind::MalformedRequest)
        .cause("the report is not a list of objects with a token, a type, a url and a source")
}

fn digest(finding: &Finding) -> [u8; 32] {
    sha256(finding.token.expose().as_bytes())
}

/// Returns the answer, which contains no token: whether each is a key of this service. GitHub's documentation names no
/// encoding of the hash; other services that answer GitHub use lower-case hex.
pub(super) fn answer(findings: &[Finding], ours: &[bool]) -> String {
    let labels = findings.iter().zip(ours).map(|(finding, ours)| {
        let hash: String = digest(finding).into_iter().flat_map(hex::digits).map(char::from).collect();
        let label = if *ours { "true_positive" } else { "false_positive" };
        json!({ "token_hash": hash, "token_type": finding.kind, "label": label })
    });
    labels.collect::<Value>().to_string()
}
