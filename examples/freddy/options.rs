/// What the command line says.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) demo: bool,
}

pub(crate) const USAGE: &str = "usage: freddy [--listen ADDRESS:PORT] [--no-demo]";

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { listen: "127.0.0.1:8080".to_owned(), demo: true };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--listen" => options.listen = words.next().ok_or("--listen needs an address")?,
                "--no-demo" => options.demo = false,
                other => return Err(format!("{other:?} is not known")),
            }
        }
        Ok(options)
    }
}
