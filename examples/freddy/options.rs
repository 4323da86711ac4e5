/// What the command line says.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) demo: bool,
    /// How many bytes a body may have.
    pub(crate) body_limit: usize,
}

pub(crate) const USAGE: &str = "usage: freddy [--listen ADDRESS:PORT] [--no-demo] [--body-limit BYTES]";

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { listen: "127.0.0.1:8080".to_owned(), demo: true, body_limit: 1 << 20 };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--listen" => options.listen = words.next().ok_or("--listen needs an address")?,
                "--body-limit" => {
                    let bytes = words.next().ok_or("--body-limit needs a number of bytes")?;
                    options.body_limit = bytes.parse().map_err(|_| format!("{bytes:?} is not a number of bytes"))?;
                }
                "--no-demo" => options.demo = false,
                other => return Err(format!("{other:?} is not known")),
            }
        }
        Ok(options)
    }
}
