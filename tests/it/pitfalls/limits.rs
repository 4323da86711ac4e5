//! Limits and the budget of failed attempts (p70 to p75).
