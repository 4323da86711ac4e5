//! The documented APIs, as example servers over a socket.

mod freddy;
mod freddy_bodies;
mod freddy_hostile;
mod freddy_memory;
