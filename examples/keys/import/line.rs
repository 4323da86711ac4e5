//! One line of the file: a JSON object. No reason shows a value, because any value may be a secret.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use tower_auth::{
    KeyDigest, KeyRecord, KeyScheme, KeyState, Restrictions, Secret,
    json::{self, JsonError, JsonLimits},
    limit::Limits,
};

/// The properties, named as `keys show --json` names them.
#[derive(Deserialize)]
struct Properties {
    /// One of three: the key itself.
    key: Option<String>,
    /// Or its plain SHA-256, in hex. It is moved under the current pepper.
    sha256: Option<String>,
    /// Or its digest under a pepper, in hex.
    digest: Option<String>,
    /// The version of that pepper.
    pepper: Option<u32>,
    /// A random id by default.
    id: Option<String>,
    /// The id by default.
    name: Option<String>,
    /// The only property that is always required.
    account: String,
    subject: Option<String>,
    #[serde(default)]
    organizations: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    plan: Option<String>,
    environment: Option<String>,
    /// Of a digest. That of a key is known.
    hint: Option<String>,
    /// `active` by default.
    state: Option<State>,
    /// RFC 3339.
    not_before: Option<String>,
    expires_at: Option<String>,
    restrictions: Option<Map<String, Value>>,
    limits: Option<Value>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Paused,
    Deactivated,
    Revoked,
}

/// What is known of the key itself.
pub(super) enum Material {
    Key(Secret),
    Digest(KeyDigest, Option<u32>),
}

pub(super) struct Line {
    pub(super) material: Material,
    properties: Properties,
}

impl Line {
    pub(super) fn read(text: &[u8], scheme: &KeyScheme) -> Result<Self, String> {
        let mut line: Properties = json::from_slice(text, &JsonLimits::new()).map_err(|error| reason(&error))?;
        let material = material(&mut line)?;
        if let Material::Key(key) = &material
            && !scheme.format().accepts(key.expose().as_bytes())
        {
            return Err("/key has not the format of --format".to_owned());
        }
        let line = Self { material, properties: line };
        line.record("").map(|_| line)
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.properties.id.as_deref()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.properties.name.as_deref()
    }

    /// Returns the record of a key with this id. It fails when the line is read, or never.
    pub(super) fn record(&self, id: &str) -> Result<KeyRecord, String> {
        record(&self.properties, id)
    }
}

fn material(line: &mut Properties) -> Result<Material, String> {
    let given = (line.key.take(), line.sha256.take(), line.digest.take(), line.pepper);
    match given {
        (Some(key), None, None, None) => Ok(Material::Key(Secret::new(key))),
        (None, Some(hex), None, None) => Ok(Material::Digest(digest("/sha256", &hex)?, None)),
        (None, None, Some(hex), Some(pepper)) => Ok(Material::Digest(digest("/digest", &hex)?, Some(pepper))),
        _ => Err("needs one of /key, /sha256, or /digest with /pepper".to_owned()),
    }
}

fn digest(field: &str, hex: &str) -> Result<KeyDigest, String> {
    let wrong = || format!("{field} is not 64 hexadecimal digits");
    let hex = Some(hex.as_bytes()).filter(|hex| hex.len() == 64).ok_or_else(wrong)?;
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else { return Err(wrong()) };
        *byte = high << 4 | low;
    }
    Ok(KeyDigest::from_bytes(bytes))
}

fn record(line: &Properties, id: &str) -> Result<KeyRecord, String> {
    let mut record = KeyRecord::new(id, &line.account)
        .organizations(&line.organizations)
        .scopes(&line.scopes)
        .roles(&line.roles)
        .state(match line.state {
            None | Some(State::Active) => KeyState::Active,
            Some(State::Paused) => KeyState::Paused,
            Some(State::Deactivated) => KeyState::Deactivated,
            Some(State::Revoked) => KeyState::Revoked,
        });
    if let Some(subject) = &line.subject {
        record = record.subject(subject);
    }
    if let Some(plan) = &line.plan {
        record = record.plan(plan);
    }
    if let Some(environment) = &line.environment {
        record = record.environment(environment);
    }
    if let Some(hint) = &line.hint {
        record = record.hint(hint);
    }
    if let Some(start) = &line.not_before {
        record = record.not_before(time("/not_before", start)?);
    }
    if let Some(end) = &line.expires_at {
        record = record.expires_at(time("/expires_at", end)?);
    }
    if let Some(restrictions) = &line.restrictions {
        let text = Value::from(restrictions.clone()).to_string();
        record = record.restrictions(Restrictions::from_json(&text).map_err(|_| "/restrictions are invalid")?);
    }
    if let Some(limits) = &line.limits {
        record = record.limits(Limits::from_json(limits).map_err(|_| "/limits are invalid")?);
    }
    Ok(record)
}

fn time(field: &str, text: &str) -> Result<SystemTime, String> {
    let time: Result<Timestamp, _> = text.parse();
    time.map(SystemTime::from).map_err(|_| format!("{field} is no time such as 2026-01-31T00:00:00Z"))
}

fn reason(error: &JsonError) -> String {
    match error {
        JsonError::Syntax(error) => format!("is not JSON: {} at column {}", error.reason(), error.column()),
        JsonError::Fields(fields) => fields.first().map_or_else(String::new, |field| {
            match (field.reason(), field.suggestion()) {
                // The name of an unknown field is a value too.
                ("unknown field", Some(name)) => format!("has an unknown field; did you mean {name}?"),
                ("unknown field", None) => "has an unknown field".to_owned(),
                (reason, _) => format!("{} {reason}", field.pointer()),
            }
        }),
        _ => "cannot be read".to_owned(),
    }
}
