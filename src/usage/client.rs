//! The class of a client: the product that it names in `User-Agent`.

/// The name of a product, kept in place.
#[derive(Clone, Copy, Default)]
pub(super) struct Client {
    bytes: [u8; LONGEST],
    length: u8,
}

const LONGEST: usize = 31;

impl Client {
    /// Reads the first product of a `User-Agent` (RFC 9110, section 10.1.5), such as `curl` of `curl/8.5.0`. Every browser
    /// says `Mozilla`.
    pub(super) fn of(user_agent: &[u8]) -> Self {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let end = user_agent.iter().take(LONGEST).take_while(|byte| is_part(byte)).count();
        let mut client = Self::default();
        client.bytes[..end].copy_from_slice(&user_agent[..end]);
        client.length = u8::try_from(end).unwrap_or(0);
        client
    }

    /// Returns the name; `None` if the client has named none.
    pub(super) fn name(&self) -> Option<&str> {
        match std::str::from_utf8(&self.bytes[..usize::from(self.length)]) {
            Ok("") | Err(_) => None,
            Ok("Mozilla") => Some("browser"),
            Ok(name) => Some(name),
        }
    }
}
