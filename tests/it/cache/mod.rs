//! A cache in front of a store.

mod sqlite;
