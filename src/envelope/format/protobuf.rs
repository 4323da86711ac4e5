//! The part of the protobuf wire format that a gRPC status needs: messages of texts, numbers and messages.

/// The encoded bytes of a message.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Adds a text field. An empty text is the default value and is not written.
    pub(super) fn text(mut self, field: u32, text: &str) -> Self {
        if !text.is_empty() {
            self.delimited(field, text.as_bytes());
        }
        self
    }

    /// Adds a whole number. Zero is the default value and is not written.
    pub(super) fn number(mut self, field: u32, number: u64) -> Self {
        if number != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(number);
        }
        self
    }

    /// Adds a nested message. A repeated call for the same field adds an element to a repeated field.
    pub(super) fn message(mut self, field: u32, message: &Self) -> Self {
        self.delimited(field, &message.0);
        self
    }

    /// Adds a nested message, packed as `google.protobuf.Any` of this type of `google.rpc`.
    pub(super) fn any(self, field: u32, kind: &str, message: &Self) -> Self {
        let mut any = Self::default().text(1, &format!("type.googleapis.com/google.rpc.{kind}"));
        any.delimited(2, &message.0);
        self.message(field, &any)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    #[expect(clippy::cast_possible_truncation, reason = "a varint has seven bits a byte")]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
