//! What a request asks for: the method and the path, in the words of the client.

use std::fmt;

use http::{Extensions, Method, Uri, uri::PathAndQuery};

/// The method and the path of a request that is gone. A clone counts references to the bytes that came from the client;
/// the query among them is never read.
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

/// The path that the client asked for. A request for a proxy to connect has none.
pub(crate) fn path<'a>(uri: &'a Uri, extensions: &'a Extensions) -> Option<&'a str> {
    original(uri, extensions).path_and_query().map(PathAndQuery::path)
}

/// axum's `nest` takes the prefix off the path, and keeps what the client sent.
#[cfg(feature = "axum")]
fn original<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<axum::extract::OriginalUri>().map_or(uri, |original| &original.0)
}

#[cfg(not(feature = "axum"))]
const fn original<'a>(uri: &'a Uri, _: &'a Extensions) -> &'a Uri {
    uri
}

/// The query may hold a secret.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.path().unwrap_or_default())
    }
}
