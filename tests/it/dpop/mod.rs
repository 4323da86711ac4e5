//! Tokens that are bound to a key or a certificate; rules 071 to 075, and pitfall 87.

mod plain;
