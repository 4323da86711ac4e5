//! Servers that stop, networks that fail, and pools without a connection.

use super::*;
