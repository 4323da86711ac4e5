//! p71, p76, p78, p82 and p86: preflights behind a table, whose address counts, organisations that are named twice,
//! mistakes that are refused when a stack is built, and requests that the router behind reads in another way.

mod addresses;
mod built;
mod organisations;
mod preflights;
mod rewritten;
mod websockets;
