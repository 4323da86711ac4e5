//! The command line.

use std::vec::IntoIter;

pub(crate) const USAGE: &str = "\
usage: mcp (--demo-issuer | --issuer URL) [options]
  --demo-issuer        start an issuer for this run, and show tokens of it
  --issuer URL         accept the tokens of this issuer, exactly as in their `iss`
  --audience NAME      the `aud` of the tokens; by default the URL of the MCP endpoint
  --type TYPE          the `typ` of the tokens; by default at+jwt; may be repeated
  --public-url URL     the URL that clients use, without a path; by default http:// and the address
  --allow-origin URL   a website whose pages may call; may be repeated
  --listen ADDRESS     by default 127.0.0.1:8080";

pub(crate) enum Issuer {
    Demo,
    At(String),
}

pub(crate) struct Options {
    pub(crate) issuer: Issuer,
    pub(crate) audience: Option<String>,
    pub(crate) types: Vec<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) listen: String,
}

impl Options {
    pub(crate) fn parse(mut words: IntoIter<String>) -> Result<Self, String> {
        let (mut demo, mut issuer, mut audience, mut public_url) = (false, None, None, None);
        let (mut types, mut origins, mut listen) = (Vec::new(), Vec::new(), "127.0.0.1:8080".to_owned());
        while let Some(word) = words.next() {
            if word == "--demo-issuer" {
                demo = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match &*word {
                "--issuer" => issuer = Some(value),
                "--audience" => audience = Some(value),
                "--type" => types.push(value),
                "--public-url" => public_url = Some(value.trim_end_matches('/').to_owned()),
                "--allow-origin" => origins.push(value),
                "--listen" => listen = value,
                _ => return Err(format!("{word} is not an option")),
            }
        }
        let issuer = match (demo, issuer) {
            (true, None) => Issuer::Demo,
            (false, Some(url)) => Issuer::At(url),
            _ => return Err("one of --demo-issuer and --issuer is required".to_owned()),
        };
        if types.is_empty() {
            types.push("at+jwt".to_owned());
        }
        Ok(Self { issuer, audience, types, public_url, origins, listen })
    }
}
