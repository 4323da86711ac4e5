//! The keys as a source for verifiers.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;

use super::SigningKeys;
use crate::{BoxError, MaybeReady, token::KeySource};

/// Keys that were read so short a time ago are not read again for a token with an unknown key.
const FRESH: Duration = Duration::from_secs(1);
/// How long a verifier waits for the store. It is shorter than the time after which the verifier gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A verifier of the tokens that this service issues: [`TokenVerifier::source`](crate::TokenVerifier::source)`(issuer, keys.clone())`. The keys come
/// from memory. They are read from the store again if a token names a key that is not known, and a store that fails keeps no
/// token waiting for more than two seconds.
impl KeySource for SigningKeys {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let age = self.clock().elapsed().saturating_sub(self.0.published.load().read_at);
        if age < FRESH {
            return MaybeReady::ready(Ok(self.key_set_json()));
        }
        let keys = self.clone();
        MaybeReady::boxed(async move {
            // A failure is not one of the keys in memory. The background task logs it.
            let _ = keys.clock().within(PATIENCE, keys.read()).await;
            Ok(keys.key_set_json())
        })
    }

    fn known(&self) -> Option<Bytes> {
        Some(self.key_set_json())
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        Some("the signing keys of this service".into())
    }
}
