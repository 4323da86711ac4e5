use std::{fmt, marker::PhantomData};

use serde::de::DeserializeOwned;
use tower_layer::Layer;

use super::{head::Governed, limits::BodyLimits, service::StrictBody};
use crate::{ConfigError, json};

/// Accepts only requests with a body of the documented type.
///
/// The inner service finds the value as a [`ValidBody`](super::ValidBody) in the request's extensions, and the same
/// bytes in the body. See the [module page](crate::strict_body) for what is refused and how.
///
/// ```
/// use tower_auth::{BodyLimits, StrictBodyLayer};
///
/// #[derive(serde::Deserialize)]
/// struct Echo {
///     name: String,
///     count: Option<i64>,
///     tags: Option<Vec<String>>,
/// }
///
/// let layer = StrictBodyLayer::<Echo>::new()?.limits(BodyLimits::new().max_bytes(64 << 10));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[must_use = "a layer does nothing until it is mounted"]
pub struct StrictBodyLayer<T> {
    governed: Governed,
    limits: BodyLimits,
    documented: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> StrictBodyLayer<T> {
    /// Creates a layer that requires a body of this type, with the default [`BodyLimits`].
    ///
    /// # Errors
    /// If a part of the type cannot be read strictly ([`json::check_type`]).
    pub fn new() -> Result<Self, ConfigError> {
        json::check_type::<T>()?;
        let governed = Governed { optional: false, json_only: false };
        Ok(Self { governed, limits: BodyLimits::new(), documented: PhantomData })
    }

    /// Sets the limits.
    pub fn limits(self, limits: BodyLimits) -> Self {
        Self { limits, ..self }
    }

    /// Accepts requests without a body, for every method. For such a request, the inner service finds no value.
    pub fn optional(self) -> Self {
        Self { governed: Governed { optional: true, ..self.governed }, ..self }
    }

    /// Passes bodies of other media types than JSON to the inner service, unread. A body without a media type is still
    /// refused.
    pub fn allow_other_media_types(self) -> Self {
        Self { governed: Governed { json_only: true, ..self.governed }, ..self }
    }
}

impl<T> Clone for StrictBodyLayer<T> {
    fn clone(&self) -> Self {
        Self { governed: self.governed, limits: self.limits.clone(), documented: PhantomData }
    }
}

impl<T> fmt::Debug for StrictBodyLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictBodyLayer")
            .field("type", &std::any::type_name::<T>())
            .field("governed", &self.governed)
            .field("limits", &self.limits)
            .finish()
    }
}

impl<S, T> Layer<S> for StrictBodyLayer<T> {
    type Service = StrictBody<S, T>;

    fn layer(&self, inner: S) -> StrictBody<S, T> {
        StrictBody::new(inner, self.governed, self.limits.clone())
    }
}
