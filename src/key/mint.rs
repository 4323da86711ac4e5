//! Mints keys from the operating system's random source.

use zeroize::{Zeroize as _, Zeroizing};

use super::format::KeyFormat;
use crate::{ConfigError, Secret};

/// Mints a key of the given format, in the first environment or in the given one. Every character is equally likely: random bytes above the last whole multiple of
/// the alphabet's size are discarded.
pub(super) fn mint(format: &KeyFormat, environment: Option<&str>) -> Result<Secret, ConfigError> {
    let alphabet = format.minted_from();
    let fair = 256 - 256 % alphabet.len();
    let mut key = String::with_capacity(format.longest());
    key.extend(format.opening(environment)?);
    let end = key.len() + format.minted_length();
    let mut batch = Zeroizing::new([0_u8; 64]);
    while key.len() < end {
        if let Err(error) = getrandom::fill(&mut *batch) {
            key.zeroize();
            return Err(no_random(error));
        }
        let drawn = batch.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        key.extend(drawn.take(end - key.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    format.close(&mut key);
    Ok(Secret::new(key))
}

/// Returns bytes from the operating system's random source.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, ConfigError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(no_random)?;
    Ok(bytes)
}

fn no_random(error: getrandom::Error) -> ConfigError {
    ConfigError::new(
        format!("the operating system provides no random bytes ({error})"),
        "allow the getrandom call or /dev/urandom in the sandbox of this process",
    )
}
