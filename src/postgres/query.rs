//! Statements, and queries that grow with their conditions.

use tokio_postgres::types::{ToSql, Type};

use super::values::Param;

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

/// A query whose conditions depend on a filter.
pub(super) struct Query {
    text: String,
    types: Vec<Type>,
    values: Vec<Param>,
}

impl Query {
    pub(super) fn new(text: String) -> Self {
        Self { text: text + " WHERE true", types: Vec::new(), values: Vec::new() }
    }

    pub(super) fn always(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// Adds a condition with one parameter, `$`, if there is a value.
    pub(super) fn maybe<T>(&mut self, condition: &str, kind: Type, value: Option<T>)
    where
        T: ToSql + Send + Sync + 'static,
    {
        if let Some(value) = value {
            self.types.push(kind);
            self.values.push(Box::new(value));
            self.always(&condition.replace('$', &format!("${}", self.types.len())));
        }
    }

    /// Ends the query. One row more than the page shows whether there is another page.
    pub(super) fn page(self, order: &str, size: usize) -> (Statement, Vec<Param>) {
        self.limited(order, size.saturating_add(1))
    }

    /// Ends the query with the largest number of rows.
    pub(super) fn limited(mut self, order: &str, most: usize) -> (Statement, Vec<Param>) {
        self.types.push(Type::INT8);
        self.values.push(Box::new(i64::try_from(most).unwrap_or(i64::MAX)));
        let text = format!("{} ORDER BY {order} LIMIT ${}", self.text, self.types.len());
        (Statement::new(text, self.types), self.values)
    }
}

/// The columns of a select list. JSON is read as text.
pub(super) fn selected(columns: &[(&str, Type)]) -> String {
    let read = |(name, kind): &(&str, Type)| match *kind {
        Type::JSON => format!("{name}::text"),
        _ => (*name).to_owned(),
    };
    columns.iter().map(read).collect::<Vec<_>>().join(", ")
}

/// The parameter of a column. JSON is written as text.
pub(super) fn parameter(number: usize, kind: &Type) -> String {
    if *kind == Type::JSON { format!("${number}::json") } else { format!("${number}") }
}

pub(super) fn types(columns: &[(&str, Type)]) -> Vec<Type> {
    let sent = |(_, kind): &(&str, Type)| if *kind == Type::JSON { Type::TEXT } else { kind.clone() };
    columns.iter().map(sent).collect()
}

pub(super) fn insert(table: &str, columns: &[(&str, Type)]) -> Statement {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = columns.iter().zip(1..).map(|((_, kind), number)| parameter(number, kind)).collect();
    let text = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
    Statement::new(text, types(columns))
}
