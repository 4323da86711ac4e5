use super::{kind::RejectionKind, value::Rejection};
use crate::json::JsonError;

/// 400 for what is no JSON, with line and column; 422 for another shape, with the fields; 500 for a type that cannot be
/// read strictly.
impl From<JsonError> for Rejection {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax(error) => Self::new(RejectionKind::InvalidJson)
                .detail("line", error.line())
                .detail("column", error.column())
                .detail("reason", error.reason()),
            JsonError::Fields(fields) => Self::invalid_fields(fields),
            JsonError::Type(_) => Self::internal(error),
        }
    }
}
