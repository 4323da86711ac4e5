//! The features, the README, the tests of a service, and the clients that others published (p85).

mod features;
mod freddy;
mod mounting;
mod readme;
