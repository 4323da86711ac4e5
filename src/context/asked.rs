//! The method and the path of a request, as the client sent them.

use std::fmt;

use http::{Extensions, Method, Uri, uri::PathAndQuery};

/// The method and the path of a request, for use after the request was consumed. Cloning copies no bytes. The query is
/// kept with the path, but never read.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    target: Option<PathAndQuery>,
}

impl Asked {
    pub(crate) fn new(method: &Method, uri: &Uri, extensions: &Extensions) -> Self {
        Self { method: method.clone(), target: original(uri, extensions).path_and_query().cloned() }
    }

    pub(crate) fn path(&self) -> Option<&str> {
        self.target.as_ref().map(PathAndQuery::path)
    }
}

/// Returns the path that the client requested. A CONNECT request has none.
pub(crate) fn path<'a>(uri: &'a Uri, extensions: &'a Extensions) -> Option<&'a str> {
    original(uri, extensions).path_and_query().map(PathAndQuery::path)
}

/// axum's `nest` removes the prefix from the path, and keeps the original URI in an extension.
#[cfg(feature = "axum")]
fn original<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<axum::extract::OriginalUri>().map_or(uri, |original| &original.0)
}

#[cfg(not(feature = "axum"))]
const fn original<'a>(uri: &'a Uri, _: &'a Extensions) -> &'a Uri {
    uri
}

/// Shows no query, because it may contain a secret.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.path().unwrap_or_default())
    }
}
