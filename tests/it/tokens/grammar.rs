//! Where a token may stand in a request, and how it has to be written there.

use http::{HeaderValue, Request};

use super::{MALFORMED, MISSING, NOW, Told, ask, lenient, mint::key, stack, strict};
use crate::support::{Body, get};

/// A field value, with `TOKEN` for a good token, and what is answered.
pub(super) const FIELDS: [(&str, &str, u16, &str); 40] = [
    ("as documented", "Bearer TOKEN", 200, ""),
    ("in lower case", "bearer TOKEN", 200, ""),
    ("in capitals", "BEARER TOKEN", 200, ""),
    ("in mixed case", "bEaReR TOKEN", 200, ""),
    ("two spaces", "Bearer  TOKEN", 200, ""),
    ("ten spaces", "Bearer          TOKEN", 200, ""),
    ("a space behind", "Bearer TOKEN ", 200, ""),
    ("spaces and a tab behind", "Bearer TOKEN  \t", 200, ""),
    ("a space before", " Bearer TOKEN", 200, ""),
    ("a tab for the space", "Bearer\tTOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("a tab and a space", "Bearer\t TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("a space and a tab", "Bearer \tTOKEN", 401, "TOKEN_INVALID"),
    ("the scheme alone", "Bearer", 400, "INVALID_REQUEST"),
    ("the scheme alone in lower case", "bearer", 400, "INVALID_REQUEST"),
    ("the scheme and a space", "Bearer ", 400, "INVALID_REQUEST"),
    ("the scheme and spaces", "Bearer     ", 400, "INVALID_REQUEST"),
    ("the scheme and tabs", "Bearer \t\t", 400, "INVALID_REQUEST"),
    ("nothing", "", 401, "AUTHENTICATION_REQUIRED"),
    ("white space", " \t ", 401, "AUTHENTICATION_REQUIRED"),
    ("no scheme", "TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("no space", "BearerTOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("a colon", "Bearer: TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("an equal sign", "Bearer=TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("a comma behind the scheme", "Bearer, TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("another scheme", "Token TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("Basic", "Basic dXNlcjpwYXNz", 401, "AUTHENTICATION_REQUIRED"),
    ("DPoP", "DPoP TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("a longer scheme", "Bearers TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("another one first", "Basic dXNlcjpwYXNz, Bearer TOKEN", 401, "AUTHENTICATION_REQUIRED"),
    ("another one behind", "Bearer TOKEN, Basic dXNlcjpwYXNz", 401, "TOKEN_INVALID"),
    ("a list of two", "Bearer TOKEN, Bearer TOKEN", 401, "TOKEN_INVALID"),
    ("a list without a space", "Bearer TOKEN,TOKEN", 401, "TOKEN_INVALID"),
    ("two words", "Bearer TOKEN TOKEN", 401, "TOKEN_INVALID"),
    ("a comma behind", "Bearer TOKEN,", 401, "TOKEN_INVALID"),
    ("the scheme twice", "Bearer Bearer TOKEN", 401, "TOKEN_INVALID"),
    ("in quotes", "Bearer \"TOKEN\"", 401, "TOKEN_INVALID"),
    ("in angle brackets", "Bearer <TOKEN>", 401, "TOKEN_INVALID"),
    ("as a parameter", "Bearer token=\"TOKEN\"", 401, "TOKEN_INVALID"),
    ("a parameter behind", "Bearer TOKEN; v=1", 401, "TOKEN_INVALID"),
    ("the word null", "Bearer null", 401, "TOKEN_INVALID"),
];

/// Where a good token is no credential.
pub(super) const ELSEWHERE: [(&str, &str); 8] = [
    ("/v1/me?access_token=TOKEN", "accept: */*"),
    ("/v1/me?authorization=Bearer%20TOKEN", "accept: */*"),
    ("/v1/me?token=TOKEN#TOKEN", "accept: */*"),
    ("/v1/me", "cookie: access_token=TOKEN"),
    ("/v1/me", "proxy-authorization: Bearer TOKEN"),
    ("/v1/me", "x-access-token: TOKEN"),
    ("/v1/me", "x-forwarded-authorization: Bearer TOKEN"),
    ("/v1/me", "sec-websocket-protocol: bearer, TOKEN"),
];

fn assert(name: &str, told: &Told, status: u16, code: &str) {
    match code {
        "" => told.assert_accepted(),
        "TOKEN_INVALID" => told.assert_invalid(),
        "INVALID_REQUEST" => told.assert(400, code, &[MALFORMED]),
        _ => told.assert(status, code, &[MISSING]),
    }
    assert_eq!(told.status, status, "{name}");
}

#[tokio::test]
async fn r019_the_field_is_read_as_it_is_written_in_the_standard() {
    let (stack, token) = (stack(lenient(strict())), key("rs256").token(NOW));
    for (name, field, status, code) in FIELDS {
        let request = get("/", &[("authorization", &field.replace("TOKEN", &token))]);
        assert(name, &ask(&stack, request).await, status, code);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_token() {
    let stack = stack(lenient(strict()));
    for (name, value, status, code) in [
        ("a no-break space", &b"Bearer\xa0a.b.c"[..], 401, "AUTHENTICATION_REQUIRED"),
        ("not UTF-8", b"Bearer \xff\xfe.\xff.\xff", 401, "TOKEN_INVALID"),
        ("UTF-8", "Bearer жетон.а.б".as_bytes(), 401, "TOKEN_INVALID"),
    ] {
        let value = HeaderValue::from_bytes(value).unwrap();
        let request = Request::get("/").header("authorization", value).body(Body::default()).unwrap();
        assert(name, &ask(&stack, request).await, status, code);
    }
}

/// Nothing that is joined, and nothing that is the first of several (RFC 9110, section 5.3).
#[tokio::test]
async fn r020_two_authorization_lines_are_400_whatever_stands_in_them() {
    let (stack, token) = (stack(lenient(strict())), format!("Bearer {}", key("rs256").token(NOW)));
    for (one, other) in [
        (&*token, &*token),
        (&token, "Bearer a.b.c"),
        ("Bearer a.b.c", &token),
        (&token, "Basic dXNlcjpwYXNz"),
        ("Basic dXNlcjpwYXNz", &token),
        (&token, ""),
        ("", &token),
        (&token, "Bearer"),
    ] {
        let told = ask(&stack, get("/", &[("authorization", one), ("authorization", other)])).await;
        assert_eq!(told.short(), (400, "INVALID_REQUEST"), "{one} {other}");
        assert_eq!(told.body["error"]["details"]["header"], "authorization");
    }
}

#[tokio::test]
async fn r021_a_token_in_the_query_or_in_another_header_is_ignored() {
    let (stack, token) = (stack(lenient(strict())), key("rs256").token(NOW));
    for (path, line) in ELSEWHERE {
        let (path, line) = (path.replace("TOKEN", &token), line.replace("TOKEN", &token));
        let (name, value) = line.split_once(": ").unwrap();
        ask(&stack, get(path.split('#').next().unwrap(), &[(name, value)])).await.assert(
            401,
            "AUTHENTICATION_REQUIRED",
            &[MISSING],
        );
    }
    // Nor is a good token in the header made better or worse by another one in the query.
    let good = format!("Bearer {token}");
    ask(&stack, get("/?access_token=a.b.c", &[("authorization", &good)])).await.assert_accepted();
    let bad = get(&format!("/?access_token={token}"), &[("authorization", "Bearer a.b.c")]);
    ask(&stack, bad).await.assert_invalid();
}

#[tokio::test]
async fn r022_a_token_in_a_form_is_ignored() {
    let (stack, token) = (stack(lenient(strict())), key("rs256").token(NOW));
    for method in ["POST", "PUT", "PATCH", "GET"] {
        let form = format!("access_token={token}");
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        ask(&stack, request).await.assert(401, "AUTHENTICATION_REQUIRED", &[MISSING]);
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`, of which a JWT needs less.
#[tokio::test]
async fn r023_what_is_no_b64token_is_refused() {
    let (stack, token) = (stack(lenient(strict())), key("rs256").token(NOW));
    for byte in 0x21..=0x7e_u8 {
        for place in [0, token.len() / 2, token.len()] {
            let (before, behind) = token.split_at(place);
            let told = super::present(&stack, &format!("{before}{}{behind}", char::from(byte))).await;
            told.assert_invalid();
        }
    }
}
