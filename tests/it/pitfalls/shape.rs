//! One error shape on every road (p74 and the envelope).
