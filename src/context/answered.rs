//! A refusal whose response is complete.

/// Marks in a response's extensions that the body for its [`Rejection`](crate::Rejection) is written. An envelope passes
/// such a response as it is. Budgets, logs and observers read the rejection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyWritten;
