//! Cookies of a browser's session.

use http::{HeaderValue, Request, Response, header::SET_COOKIE};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthEndpoints, Principal, RejectionKind, RequestExt as _,
    endpoints::SessionCookies,
    session::{Grant, IssuedTokens, TokenRequest},
};

use super::{Body, Desk, Told, ask, bare, json, post, refresh_token};
use crate::support::strict;

fn endpoints(desk: &Desk) -> AuthEndpoints {
    desk.endpoints.clone().cookies(SessionCookies::new())
}

/// What the browser sends after this answer: the cookies that are set, and not removed.
fn cookie_of(set: &[String]) -> String {
    let pairs = set.iter().map(|line| line.split(';').next().unwrap());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn set(told: &Told) -> Vec<String> {
    told.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

fn lines(lines: impl Iterator<Item = HeaderValue>) -> Vec<String> {
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

fn assert_cleared(told: &Told) {
    assert_eq!(set(told), lines(SessionCookies::new().clear()), "{told:?}");
}

fn browser<'a>(path: &str, cookie: &'a str, more: &[(&'a str, &'a str)]) -> Request<Body> {
    bare(path, &[&[("cookie", cookie), ("host", "api.test")], more].concat())
}

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

#[tokio::test]
async fn cookies_have_the_attributes_of_a_credential() {
    let desk = Desk::new();
    let tokens = desk.session(None).await;
    let (access, refresh) = (tokens.access_token.expose(), refresh_token(&tokens));
    let both = lines(SessionCookies::new().set(&tokens));
    assert_eq!(
        both,
        [
            format!("__Host-access={access}; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=Lax"),
            format!("__Host-refresh={refresh}; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"),
        ]
    );
    assert!(SessionCookies::new().set(&tokens).all(|line| line.is_sensitive()));
    let own = SessionCookies::new().names("__Host-a", "r").unwrap().strict();
    assert_eq!((own.access_name(), own.refresh_name()), ("__Host-a", "r"));
    assert_eq!(
        lines(own.clear()),
        [
            "__Host-a=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
            "r=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
        ]
    );
    let local = SessionCookies::loopback();
    assert_eq!(lines(local.clear())[0], "access=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    let alice = Grant::of(&Principal::builder("alice").build());
    let without = desk.sessions.begin(alice, &TokenRequest::new().without_refresh()).await.unwrap();
    let set = lines(SessionCookies::new().set(&without));
    assert!(set[0].starts_with("__Host-access=ey"), "{set:?}");
    let removed = lines(SessionCookies::new().clear()).swap_remove(1);
    assert_eq!((set.len(), &set[1]), (2, &removed), "the refresh token of an earlier session is removed");
}

#[test]
fn names_that_browsers_would_refuse_are_errors() {
    let refused =
        |cookies: SessionCookies, access: &str, refresh: &str| cookies.names(access, refresh).unwrap_err().to_string();
    for (access, refresh) in [("", "r"), ("a b", "r"), ("a", "r;x"), ("a", "ü"), ("a=b", "r"), ("a", "a")] {
        refused(SessionCookies::new(), access, refresh);
    }
    for name in ["__Host-a", "__Secure-a", "__host-a"] {
        assert!(refused(SessionCookies::loopback(), name, "r").contains("HTTPS"));
    }
}

#[tokio::test]
async fn a_browser_refreshes_and_logs_out_without_seeing_a_token() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    let tokens = desk.session(None).await;
    let mut cookie = cookie_of(&lines(SessionCookies::new().set(&tokens)));
    for site in [SAME, ("sec-fetch-site", "none"), ("origin", "https://api.test")] {
        let told = ask(&endpoints, browser("/refresh", &cookie, &[site])).await;
        assert_eq!((told.status, told.json()), (200, json!({ "expires_in": 900 })));
        let next = cookie_of(&set(&told));
        assert!(next.contains("__Host-access=ey") && next.contains("__Host-refresh=rt_"), "{next}");
        assert_ne!(next, cookie);
        cookie = next;
    }
    // HTTP/2 may split the header into lines.
    let (access, refresh) = cookie.split_once("; ").unwrap();
    let split = bare("/logout", &[("cookie", access), ("cookie", refresh), SAME]);
    let told = ask(&endpoints, split).await;
    assert_eq!((told.status, &told.json()["success"]), (200, &json!(true)));
    assert_cleared(&told);
    assert!(!desk.is_active(&access["__Host-access=".len()..]).await);

    let told = ask(&endpoints, browser("/refresh", &cookie, &[SAME])).await;
    assert_eq!(told.kind(), (401, RejectionKind::InvalidToken));
    assert_cleared(&told);
}

#[tokio::test]
async fn a_request_of_another_website_changes_nothing() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    let tokens = desk.session(None).await;
    let cookie = cookie_of(&lines(SessionCookies::new().set(&tokens)));
    for more in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "cross-site"), ("origin", "https://api.test")],
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![],
    ] {
        for (path, cookie) in [("/refresh", &*cookie), ("/logout", &cookie), ("/logout", "x=y"), ("/refresh", "x=y")] {
            let told = ask(&endpoints, browser(path, cookie, &more)).await;
            assert_eq!((told.status, told.refusal.as_ref().unwrap().code().unwrap()), (403, "CROSS_SITE_REQUEST"));
            assert_eq!(set(&told), [""; 0], "a log-out is a change too");
        }
    }
    assert!(desk.is_active(tokens.access_token.expose()).await);
    assert_eq!(ask(&endpoints, browser("/refresh", &cookie, &[SAME])).await.status, 200);
}

#[tokio::test]
async fn a_body_decides_and_touches_no_cookie() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    let (in_body, in_cookie) = (desk.session(None).await, desk.session(None).await);
    let cookie = cookie_of(&lines(SessionCookies::new().set(&in_cookie)));
    let body = json!({ "refresh_token": refresh_token(&in_body) }).to_string();
    let both = |path| post(path, super::JSON, &[("cookie", &*cookie), ("sec-fetch-site", "cross-site")], body.clone());
    let told = ask(&endpoints, both("/refresh")).await;
    assert_eq!((told.status, set(&told)), (200, vec![]));
    assert!(told.text("refresh_token").starts_with("rt_"));
    let told = ask(&endpoints, both("/logout")).await;
    assert_eq!((told.status, set(&told)), (200, vec![]));
    assert!(!desk.is_active(in_body.access_token.expose()).await);
    assert!(desk.is_active(in_cookie.access_token.expose()).await);
    let wrong = post("/refresh", super::JSON, &[("cookie", &*cookie), SAME], r#"{"refresh_token":"rt_x"}"#);
    let told = ask(&endpoints, wrong).await;
    assert_eq!((told.status, set(&told)), (401, vec![]));
}

#[tokio::test]
async fn browsers_without_a_session() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    for cookie in ["x=y", "__Host-refresh=", "__host-refresh=rt_x", "__Host-refresh"] {
        let told = ask(&endpoints, browser("/refresh", cookie, &[SAME])).await;
        assert_eq!(told.kind(), (401, RejectionKind::MissingCredential), "{cookie}");
        assert_eq!(set(&told), [""; 0], "{cookie}: no cookie was judged");
        let told = ask(&endpoints, browser("/logout", cookie, &[SAME])).await;
        assert_eq!(told.status, 200);
        assert_cleared(&told);
    }
    let forged = ask(&endpoints, browser("/refresh", "__Host-refresh=rt_x", &[SAME])).await;
    assert_eq!(forged.kind(), (401, RejectionKind::InvalidToken));
    assert_cleared(&forged);
    for twice in ["__Host-refresh=a; __Host-refresh=b", "__Host-refresh=a; __Host-refresh=a"] {
        let told = ask(&endpoints, browser("/refresh", twice, &[SAME])).await;
        assert_eq!((told.kind(), set(&told)), ((400, RejectionKind::MalformedRequest), vec![]));
    }
    for twice in ["__Host-access=a; __Host-access=a", "__Host-refresh=a; __Host-refresh=a"] {
        let told = ask(&endpoints, browser("/logout", twice, &[SAME])).await;
        assert_eq!((told.kind(), set(&told)), ((400, RejectionKind::MalformedRequest), vec![]));
    }
    let without = ask(&desk.endpoints, browser("/refresh", "__Host-refresh=rt_x", &[SAME])).await;
    assert_eq!(without.kind(), (400, RejectionKind::InvalidJson), "cookies are off by default");
}

/// A browser may have lost one of the two cookies, or have one of an older session.
#[tokio::test]
async fn a_log_out_with_only_the_access_cookie_ends_its_session() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    for refresh in ["", "; __Host-refresh=rt_forged", "; __Host-refresh="] {
        let session = desk.session(None).await;
        let cookie = format!("__Host-access={}{refresh}", session.access_token.expose());
        let told = ask(&endpoints, browser("/logout", &cookie, &[SAME])).await;
        assert_eq!((told.status, &told.json()["success"]), (200, &json!(true)));
        assert_cleared(&told);
        assert!(!desk.is_active(session.access_token.expose()).await, "{refresh}");
        assert!(!desk.is_active(refresh_token(&session)).await, "{refresh}: the whole session");
    }
    let alice = Grant::of(&Principal::builder("alice").build());
    let alone = desk.sessions.begin(alice, &TokenRequest::new().without_refresh()).await.unwrap();
    let cookie = format!("__Host-access={}", alone.access_token.expose());
    assert_eq!(ask(&endpoints, browser("/logout", &cookie, &[SAME])).await.status, 200);
    assert!(!desk.is_active(alone.access_token.expose()).await, "a token without a session is revoked");
}

#[tokio::test]
async fn an_outage_costs_no_session() {
    let desk = Desk::new();
    let endpoints = endpoints(&desk);
    let tokens = desk.session(None).await;
    let cookie = cookie_of(&lines(SessionCookies::new().set(&tokens)));
    desk.flaky.set_failing(true);
    for path in ["/refresh", "/logout"] {
        let told = ask(&endpoints, browser(path, &cookie, &[SAME])).await;
        assert_eq!((told.kind(), set(&told)), ((503, RejectionKind::Unavailable), vec![]), "{path}");
    }
    let access = cookie.split("; ").next().unwrap();
    let told = ask(&endpoints, browser("/logout", access, &[SAME])).await;
    assert_eq!((told.kind(), set(&told)), ((503, RejectionKind::Unavailable), vec![]));
    desk.flaky.set_failing(false);
    assert_eq!(ask(&endpoints, browser("/refresh", &cookie, &[SAME])).await.status, 200);
}

/// From the sign-in to a request with the cookie, and after the log-out.
#[tokio::test]
async fn the_cookie_of_the_access_token_authenticates_requests() {
    let desk = Desk::new();
    let cookies = SessionCookies::new();
    let tokens: IssuedTokens = desk.session(None).await;
    let cookie = cookie_of(&lines(cookies.set(&tokens)));
    let bearer = endpoints(&desk).bearer().unwrap();
    let service = bearer.strip_credentials().clock(&desk.hand).layer(strict(|request: Request<Body>| {
        assert!(!request.headers().contains_key("cookie"), "neither of the cookies reaches a handler");
        Response::new(request.principal().unwrap().subject().to_owned().into())
    }));
    let get = || crate::support::get("/me", &[("cookie", &cookie)]);
    let answer = service.clone().oneshot(get()).await.unwrap();
    assert_eq!(crate::support::text(answer).await, "alice");
    ask(&endpoints(&desk), browser("/logout", &cookie, &[SAME])).await;
    assert_eq!(service.oneshot(get()).await.unwrap().status().as_u16(), 401);
}
