//! One error shape on every road (p74 and the envelope).

mod adopted;
mod params;
mod protocol;
mod streams;
