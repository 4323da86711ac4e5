//! What a file says, all of it correct.

use std::path::Path;

use super::{document::Document, keys::Keys, place::Text, plans};
use crate::{ConfigError, Plans};

pub(super) struct Content {
    pub(super) keys: Keys,
    /// `None` if the file has no plans.
    pub(super) plans: Option<Plans>,
}

impl Content {
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let place = Text { path, text };
        let document: Document = toml::from_str(text).map_err(|error| place.malformed(&error))?;
        let plans = plans::read(place, &document)?;
        Ok(Self { keys: Keys::read(place, document)?, plans })
    }
}
