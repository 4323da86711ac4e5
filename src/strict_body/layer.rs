use std::{fmt, marker::PhantomData};

use serde::de::DeserializeOwned;
use tower_layer::Layer;

use super::{head::Governed, limits::BodyLimits, service::StrictBody};
use crate::{ConfigError, json};

/// Lets a request through whose body is the documented type, and nothing else.
///
/// The inner service finds the value as a [`ValidBody`](super::ValidBody) in the request's extensions, and the same bytes
/// as the body. See the [module page](crate::strict_body) for what is refused and how.
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
    /// A body of this type is required, with the default [`BodyLimits`].
    ///
    /// # Errors
    /// Where the type has parts whose fields nobody can see ([`json::check_type`]): the layer would not be strict.
    pub fn new() -> Result<Self, ConfigError> {
        json::check_type::<T>()?;
        let governed = Governed { optional: false, json_only: false };
        Ok(Self { governed, limits: BodyLimits::new(), documented: PhantomData })
    }

    /// Other limits.
    pub fn limits(self, limits: BodyLimits) -> Self {
        Self { limits, ..self }
    }

    /// A request without a body passes, whatever its method; the inner service finds no value then.
    pub fn optional(self) -> Self {
        Self { governed: Governed { optional: true, ..self.governed }, ..self }
    }

    /// A body whose media type is not JSON passes untouched and unread. One without a media type does not.
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
