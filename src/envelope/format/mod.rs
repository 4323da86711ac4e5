//! How a refusal looks on the wire: a file a shape.

mod detailed;

pub(super) use self::detailed::Detailed;
