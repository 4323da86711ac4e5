//! How a refusal looks on the wire: a file a shape.

mod compact;
mod detailed;
pub(crate) mod grpc;
mod openai;
mod problem;
mod protobuf;
mod view;

pub use self::view::{ErrorFormat, ErrorView};
pub(super) use self::{compact::Compact, detailed::Detailed, openai::OpenAi, problem::Problem};
