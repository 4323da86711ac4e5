//! Tokens and key sets (p79 to p81).
