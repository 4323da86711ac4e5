//! The documented APIs, as example servers over a socket.

mod freddy;
mod freddy_hostile;
