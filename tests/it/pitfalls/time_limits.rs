//! Whoever is asked and does not answer (p79, p83).
