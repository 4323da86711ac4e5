//! Log lines and decisions (p84).
