use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The value that a body was read into, in the request's extensions for whoever takes it first.
///
/// ```
/// use tower_auth::strict_body::ValidBody;
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     email: String,
/// }
///
/// fn email<B>(request: &http::Request<B>) -> Option<String> {
///     Some(request.extensions().get::<ValidBody<Login>>()?.take()?.email)
/// }
/// ```
pub struct ValidBody<T>(Arc<Mutex<Option<T>>>);

impl<T> ValidBody<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Some(value))))
    }

    /// The value, once.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        // Nothing can panic while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A clone shares the value: whoever takes it first has it.
impl<T> Clone for ValidBody<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Without the value, which may be a password.
impl<T> fmt::Debug for ValidBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValidBody(..)")
    }
}
