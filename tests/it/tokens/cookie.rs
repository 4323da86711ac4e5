//! Which cookie is a token: the syntax of `Cookie`, and what a request without a good cookie is told.

use std::{slice, sync::LazyLock};

use http::{HeaderValue, Request, Response, header::COOKIE};
use proptest::prelude::*;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, BearerLayer, ConfigError, RequestExt as _};

use super::{
    INVALID, MALFORMED, MISSING, NOW, Told, ask,
    mint::{claims, key},
    stack_of, strict,
};
use crate::support::{Body, get, ok, strict as service, text};

const NAME: &str = "__Host-session";
pub(super) const REPEATED: &str = r#"Bearer realm="api", error="invalid_request", error_description="The cookie with the token occurs more than once""#;

pub(super) fn by_cookie() -> BearerLayer {
    BearerLayer::new(strict().cache(64).build().unwrap()).cookie(NAME)
}

/// The token of one of several subjects.
fn token_of(subject: usize) -> String {
    static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let key = key("hs256");
        (0..6).map(|at| key.seal(key.header(), claims(NOW).text("sub", &format!("user_{at}")))).collect()
    });
    TOKENS[subject].clone()
}

/// A GET with these lines of `Cookie`, bytes as they are.
fn with_cookies<L: AsRef<[u8]>>(lines: &[L]) -> Request<Body> {
    let mut request = get("/", &[]);
    for line in lines {
        request.headers_mut().append(COOKIE, HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    request
}

async fn told(stack: &AuthStack, lines: &[&str]) -> Told {
    ask(stack, with_cookies(lines)).await
}

/// A name, the lines, in which `{n}` is the name of the cookie and `{t}` a good token, and the code of the answer.
const HOSTILE: &[(&str, &[&str], &str)] = &[
    ("alone", &["{n}={t}"], ""),
    ("first", &["{n}={t}; theme=dark"], ""),
    ("last", &["theme=dark; {n}={t}"], ""),
    ("between", &["a=1; {n}={t}; b=2"], ""),
    ("without a space", &["a=1;{n}={t};b=2"], ""),
    ("with more spaces and tabs", &["a=1 ;  \t{n}={t}\t ; b=2"], ""),
    ("empty parts", &[";; ;{n}={t};;"], ""),
    ("in a line of its own", &["a=1", "{n}={t}", "b=2"], ""),
    ("beside one in capitals", &["{n}={t}; __HOST-SESSION=x"], ""),
    ("beside attributes of old times", &["$Version=1; {n}={t}; $Path=/"], ""),
    ("behind a quotation mark", &["a=\"x; {n}={t}"], ""),
    ("beside parts without an equals sign", &["{n}; {n}={t}; x"], ""),
    ("in capitals", &["__HOST-SESSION={t}"], "AUTHENTICATION_REQUIRED"),
    ("without the prefix", &["session={t}"], "AUTHENTICATION_REQUIRED"),
    ("a longer name", &["{n}2={t}"], "AUTHENTICATION_REQUIRED"),
    ("a name that ends so", &["x{n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("a shorter name", &["__Host-sessio={t}"], "AUTHENTICATION_REQUIRED"),
    ("a space behind the name", &["{n} ={t}"], "AUTHENTICATION_REQUIRED"),
    ("a no-break space before the name", &["\u{a0}{n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("a wide space before the name", &["\u{2003}{n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("another separator", &["a=1, {n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("an ampersand", &["a=1&{n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("inside a value", &["a={n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("the value of no name", &["={n}={t}"], "AUTHENTICATION_REQUIRED"),
    ("a quoted name", &["\"{n}\"={t}"], "AUTHENTICATION_REQUIRED"),
    ("an encoded name", &["__Host%2Dsession={t}"], "AUTHENTICATION_REQUIRED"),
    ("another sign", &["{n}:{t}"], "AUTHENTICATION_REQUIRED"),
    ("no value", &["{n}="], "AUTHENTICATION_REQUIRED"),
    ("no sign", &["{n}"], "AUTHENTICATION_REQUIRED"),
    ("only a token", &["{t}"], "AUTHENTICATION_REQUIRED"),
    ("an empty line", &[""], "AUTHENTICATION_REQUIRED"),
    ("quoted", &["{n}=\"{t}\""], "TOKEN_INVALID"),
    ("half quoted", &["{n}=\"{t}"], "TOKEN_INVALID"),
    ("with a scheme", &["{n}=Bearer {t}"], "TOKEN_INVALID"),
    ("encoded", &["{n}={t}%20"], "TOKEN_INVALID"),
    ("with a comma", &["{n}={t},{t}"], "TOKEN_INVALID"),
    ("with an equals sign", &["{n}=={t}"], "TOKEN_INVALID"),
    ("with a letter of no alphabet", &["{n}={t}\u{e9}"], "TOKEN_INVALID"),
    ("nonsense", &["{n}=nonsense"], "TOKEN_INVALID"),
    ("twice", &["{n}={t}; {n}={t}"], "INVALID_REQUEST"),
    ("twice and another", &["{n}={t}; {n}=x"], "INVALID_REQUEST"),
    ("twice and empty", &["{n}=; {n}={t}"], "INVALID_REQUEST"),
    ("twice and both empty", &["{n}=; {n}="], "INVALID_REQUEST"),
    ("twice in two lines", &["{n}={t}", "a=1; {n}=x"], "INVALID_REQUEST"),
    ("twice, the second quoted", &["{n}={t}; a=1; {n}=\"x\""], "INVALID_REQUEST"),
    ("twice without spaces", &["{n}={t};{n}={t}"], "INVALID_REQUEST"),
];

#[tokio::test]
async fn r009_the_cookie_is_read_by_its_whole_name() {
    let stack = stack_of(by_cookie());
    for (name, lines, code) in HOSTILE {
        let written = |line: &&str| line.replace("{n}", NAME).replace("{t}", &token_of(0));
        let lines: Vec<String> = lines.iter().map(written).collect();
        let told = ask(&stack, with_cookies(&lines)).await;
        let (status, challenges): (u16, &[&str]) = match *code {
            "" => (200, &[]),
            "AUTHENTICATION_REQUIRED" => (401, &[MISSING]),
            "TOKEN_INVALID" => (401, &[INVALID]),
            _ => (400, &[REPEATED]),
        };
        let got: Vec<&str> = told.challenges.iter().map(String::as_str).collect();
        assert_eq!((told.short(), &*got), ((status, *code), challenges), "{name}: {told:?}");
    }
}

#[tokio::test]
async fn a_cookie_that_is_sent_twice_is_named_in_the_log() {
    let stack = stack_of(by_cookie().realm("r"));
    let told = told(&stack, &[&format!("{NAME}=secret-a; {NAME}=secret-b")]).await;
    told.assert(400, "INVALID_REQUEST", &[&REPEATED.replace("\"api\"", "\"r\"")]);
    assert_eq!(told.body["error"]["details"]["header"], "cookie");
    let cause = told.cause.clone().unwrap();
    assert!(cause.contains(NAME) && !format!("{told:?}").contains("secret-"), "{cause}");
}

#[tokio::test]
async fn a_header_with_a_token_decides_whatever_the_cookie_is() {
    let stack = stack_of(by_cookie());
    let (good, cookie) = (format!("Bearer {}", token_of(1)), |value: &str| format!("{NAME}={value}"));
    for (field, cookie, status, code, challenge) in [
        (&*good, cookie("nonsense"), 200, "", ""),
        (&good, format!("{NAME}=a; {NAME}=b"), 200, "", ""),
        ("Bearer a.b.c", cookie(&token_of(1)), 401, "TOKEN_INVALID", INVALID),
        ("Bearer", cookie(&token_of(1)), 400, "INVALID_REQUEST", MALFORMED),
        // Another scheme is no token, and an empty field is none either.
        ("Basic dXNlcjpwYXNz", cookie(&token_of(1)), 200, "", ""),
        ("", cookie(&token_of(1)), 200, "", ""),
        ("Basic dXNlcjpwYXNz", cookie("nonsense"), 401, "TOKEN_INVALID", INVALID),
    ] {
        let told = ask(&stack, get("/", &[("authorization", field), ("cookie", &cookie)])).await;
        let challenges = if challenge.is_empty() { &[][..] } else { &[challenge][..] };
        told.assert(status, code, challenges);
    }
}

#[tokio::test]
async fn a_layer_without_a_cookie_reads_none() {
    let stack = stack_of(BearerLayer::new(strict().build().unwrap()));
    told(&stack, &[&format!("{NAME}={}", token_of(0))]).await.assert(401, "AUTHENTICATION_REQUIRED", &[MISSING]);
}

#[tokio::test]
async fn a_cookie_that_cannot_be_is_said_when_it_is_built() {
    let bearer = || BearerLayer::new(strict().build().unwrap());
    let fault = |layer: BearerLayer| -> ConfigError { AuthStack::builder().auth(layer).build().unwrap_err() };
    for name in
        ["", " ", "a b", "a;b", "a=b", "a,b", "\"a\"", "a\tb", "a\n", "größe", "a/b", "(a)", "a\u{0}", " session"]
    {
        let told = fault(bearer().cookie(name)).to_string();
        assert!(told.contains(&format!("{name:?} is not the name of a cookie")), "{told}");
        // A layer that is mounted without a stack refuses every request, also with a good token in the header.
        let request = get("/", &[("authorization", &format!("Bearer {}", token_of(0)))]);
        let response = bearer().cookie(name).layer(ok()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500, "{name:?}");
    }
    let told = fault(bearer().cookie("a").cookie("b")).to_string();
    assert!(told.contains("has two cookies, \"a\" and \"b\""), "{told}");
    for name in ["session", "__Host-session", "__Secure-s.1", "!#$%&'*+-.^_`|~"] {
        assert!(AuthStack::builder().auth(bearer().cookie(name)).build().is_ok(), "{name}");
    }
}

/// What is written in a `Cookie` line: names near the right one, and any others.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(NAME.to_owned()),
        1 => Just(NAME.to_ascii_lowercase()),
        1 => Just(format!("{NAME} ")),
        1 => Just(format!("\"{NAME}\"")),
        1 => Just(format!("x={NAME}")),
        1 => Just(format!("\u{2003}{NAME}")),
        1 => Just(String::new()),
        3 => "[!-:<>-~]{0,16}",
    ]
}

/// The subject of the request with these lines, or the status of its refusal.
fn outcome(lines: &[String]) -> Result<String, u16> {
    static STACK: LazyLock<AuthStack> = LazyLock::new(|| stack_of(by_cookie()));
    let service = STACK.layer(service(|request: Request<Body>| {
        Response::new(Body::from(request.principal().unwrap().subject().to_owned()))
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let response = service.oneshot(with_cookies(lines)).await.unwrap();
        let status = response.status().as_u16();
        if status == 200 { Ok(text(response).await) } else { Err(status) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Pairs of any names, each with the token of a subject of its own: only that of the right name is one.
    #[test]
    fn no_token_of_another_name_is_read(
        pairs in prop::collection::vec((name(), 0_usize..6, "(; |;|\t; |;;)", any::<bool>()), 0..8),
    ) {
        let mut lines = vec![String::new()];
        for (name, subject, separator, new_line) in &pairs {
            if *new_line {
                lines.push(String::new());
            }
            lines.last_mut().unwrap().extend([name, "=", &token_of(*subject), separator]);
        }
        let right: Vec<usize> = pairs.iter().filter(|pair| pair.0 == NAME).map(|pair| pair.1).collect();
        let expected = match *right {
            [] => Err(401),
            [subject] => Ok(format!("user_{subject}")),
            [..] => Err(400),
        };
        prop_assert_eq!(outcome(&lines), expected, "{:?}", pairs);
    }

    /// Lines of any characters with a token somewhere: it is read only right behind the whole name, at the start of a part.
    #[test]
    fn no_token_elsewhere_is_read(
        before in "[ -~\t]{0,24}", inner in "(__Host-session|=|;| |\"|,|[!-~]){0,6}", after in "[ -~\t]{0,12}",
    ) {
        let line = format!("{before}{inner}{}{after}", token_of(3));
        let parts = line.split(';').map(|part| part.trim_matches([' ', '\t']));
        let right: Vec<&str> = parts.filter_map(|part| part.strip_prefix("__Host-session=")).collect();
        let expected = match *right {
            [token] if token == token_of(3) => Ok("user_3".to_owned()),
            [] | [_] => Err(401),
            [..] => Err(400),
        };
        prop_assert_eq!(outcome(slice::from_ref(&line)), expected, "{}", line);
    }
}
