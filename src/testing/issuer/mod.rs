//! An issuer of tokens for tests: `state.rs` has its keys and its moods, `token.rs` makes a token, `handle.rs` is the handle.
//! On loopback, `server.rs` accepts connections, `routes.rs` answers, and `flows.rs` has the codes of its clients.

#[cfg(feature = "jwks-http")]
mod flows;
mod handle;
#[cfg(feature = "jwks-http")]
mod routes;
#[cfg(feature = "jwks-http")]
mod server;
mod state;
mod token;

#[cfg(feature = "jwks-http")]
pub use self::server::TestIssuerServer;
pub use self::{handle::TestIssuer, token::TestToken};
