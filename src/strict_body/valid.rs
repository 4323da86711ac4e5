use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The value that a body was read into, in the request's extensions. It can be taken once.
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

    /// Takes the value. Returns `None` if the value was taken before.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Clones share the value: only one of them can take it.
impl<T> Clone for ValidBody<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Does not show the value, which may contain a password.
impl<T> fmt::Debug for ValidBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValidBody(..)")
    }
}
