use crate::ConfigError;

/// The names of environments that keys carry, the first that of new keys. Keys of a format without names carry none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Environments(Vec<String>);

const FORM: &str = "name each environment once, with letters and digits, such as `live` and `test`";

impl Environments {
    pub(super) const NONE: Self = Self(Vec::new());

    pub(super) fn new(names: impl Iterator<Item = String>) -> Result<Self, ConfigError> {
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Err(ConfigError::new("the list of environments of keys is empty", FORM));
        }
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ConfigError::new(format!("the environment {name:?} cannot be used in a key"), FORM));
            }
            if names[..index].contains(name) {
                return Err(ConfigError::new(format!("the environment {name:?} is given twice"), FORM));
            }
        }
        Ok(Self(names))
    }

    #[inline]
    pub(super) const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// Returns the name that opens this text, with a `_` behind it. Names have no `_`, so there is at most one.
    pub(super) fn opening(&self, text: &[u8]) -> Option<&str> {
        let opens = |name: &&String| text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"_"));
        self.0.iter().find(opens).map(String::as_str)
    }

    /// Returns the name for a new key, which is the first if none is asked for.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<Option<&str>, ConfigError> {
        let Some(name) = name else { return Ok(self.0.first().map(String::as_str)) };
        match self.0.iter().find(|known| *known == name) {
            Some(known) => Ok(Some(known)),
            None if self.is_none() => Err(ConfigError::new(
                format!("there is no environment {name:?}: keys of this format name none"),
                "declare it with KeyFormat::environments, or use KeyScheme::generate",
            )),
            None => Err(ConfigError::new(
                format!("the key format has no environment {name:?}"),
                format!("use one of {}", self.0.join(", ")),
            )),
        }
    }

    /// Returns the length of the longest name with its `_`.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(|name| name.len() + 1).max().unwrap_or_default()
    }
}
