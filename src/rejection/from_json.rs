use super::{kind::RejectionKind, value::Rejection};
use crate::json::JsonError;

/// Converts to 400 with line and column if the body is not JSON, 422 with the fields if the shape is wrong, and 500 if
/// the type cannot be read strictly.
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
