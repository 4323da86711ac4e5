use deadpool_postgres::tokio_postgres::types::Type;

/// A statement and the types of its parameters. With the types, the server needs no round trip to describe them.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) types: Vec<Type>,
}

impl Statement {
    pub(super) fn new(text: String, types: impl Into<Vec<Type>>) -> Self {
        Self { text, types: types.into() }
    }
}
