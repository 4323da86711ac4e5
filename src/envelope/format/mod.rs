//! The formats of a refusal on the wire.

mod failure;
pub(crate) mod grpc;
mod openai;
mod problem;
mod protobuf;
mod view;

pub use self::view::{ErrorFormat, ErrorView};
pub(super) use self::{failure::Failure, openai::OpenAi, problem::Problem};
