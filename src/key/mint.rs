//! New keys, from the operating system's random source and nothing else.

use zeroize::{Zeroize as _, Zeroizing};

use super::format::KeyFormat;
use crate::{ConfigError, Secret};

/// A key of the given format. Every character is drawn evenly: bytes beyond the last whole multiple of the alphabet
/// are thrown away.
pub(super) fn mint(format: &KeyFormat) -> Result<Secret, ConfigError> {
    let alphabet = format.minted_from();
    let fair = 256 - 256 % alphabet.len();
    let mut key = String::with_capacity(format.longest());
    key.push_str(format.prefix());
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

pub(super) fn no_random(error: getrandom::Error) -> ConfigError {
    ConfigError::new(
        format!("the operating system gives no random bytes ({error})"),
        "check that the getrandom call or /dev/urandom is allowed in the sandbox of this process",
    )
}
