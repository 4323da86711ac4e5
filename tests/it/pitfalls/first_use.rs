//! The features, the README and the tests of a service (p85).
