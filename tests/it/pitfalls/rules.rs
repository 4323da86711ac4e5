//! Rules, organisations, addresses and builders (p71, p76 to p78, p82, p86).
