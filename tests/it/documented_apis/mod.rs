//! The documented APIs, as example servers over a socket.

mod ai_api;
mod aitronos;
mod databases;
mod freddy;
mod freddy_bodies;
mod freddy_hostile;
mod freddy_keys;
mod freddy_memory;
mod freddy_tokens;
mod freddy_v0;
mod halfred;
mod processes;
mod watch;
