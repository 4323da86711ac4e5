//! A reported key is a secret until it is revoked, and nothing shows it.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tower_auth::{
    ErrorEnvelopeLayer, Rejection,
    leaks::{LeakPolicy, LeakReports},
    testing::FlakyKeyStore,
};

use super::{Desk, github, signed};
use crate::{
    no_leak::Logs,
    support::{Body, text},
};

/// Panics with what shows six characters of the key in a row. Its last four may be shown.
fn assert_hidden(out: &str, key: &str) {
    let secret = &key[3..];
    for at in 0..secret.len() - 6 {
        let part = &secret[at..at + 6];
        assert!(!out.contains(part), "{part} came out: {out}");
    }
}

#[tokio::test]
async fn r033_no_answer_no_event_and_no_log_shows_a_reported_key() {
    let desk = Desk::new();
    let key = desk.create().await;
    let token = key.secret.expose().to_owned();
    let stranger = super::scheme().generate().unwrap().expose().to_owned();
    let seen = Arc::new(Mutex::new(String::new()));
    let flaky = FlakyKeyStore::new(desk.store.clone());
    let reports = LeakReports::new(desk.keys.clone(), flaky.clone(), github()).on_leak({
        let seen = Arc::clone(&seen);
        move |leak| write!(seen.lock().unwrap(), "{leak:?} {leak:#?}").unwrap()
    });
    let alerts = reports.clone().policy(LeakPolicy::AlertOnly);
    let url = format!("https://x.test/{token}");
    let good =
        json!([{ "token": token, "type": token, "url": url, "source": token }, { "token": stranger }]).to_string();
    let bodies = [
        (&alerts, good.clone(), 200),
        (&reports, good.clone(), 200),
        (&reports, good.clone(), 200),
        (&reports, format!("{good}{good}"), 400),
        (&reports, format!(r#"[{{"token":"{token}","url":{good}}}]"#), 400),
        (&reports, format!(r#""{token}""#), 400),
        (&reports, format!(r#"[{{"{token}":1}}]"#), 400),
    ];
    let mut out = format!("{reports:?} {reports:#?}");
    for (reports, body, status) in bodies {
        out += &said(reports, signed(&body), status).await;
    }
    let mut forged = signed(&good);
    *forged.body_mut() = Body::from(good.replace("x.test", "y.test"));
    out += &said(&reports, forged, 401).await;
    flaky.fail();
    out += &said(&reports, signed(&good), 503).await;
    out += &seen.lock().unwrap();
    for row in desk.revocations(&key).await {
        out += &row.to_string();
    }
    assert!(out.contains("a key was leaked") && out.contains(key.key.hint()) && out.contains("key changed"), "{out}");
    // The type of a token is GitHub's name for a pattern, and is answered as it came.
    let out = out.replace(&format!(r#""token_type":"{token}""#), "");
    assert_hidden(&out, &token);
    assert_hidden(&out, &stranger);
}

/// Everything that an outsider and a reader of the log see of an answer.
async fn said(reports: &LeakReports, request: http::Request<Body>, status: u16) -> String {
    use tower::{Layer as _, ServiceExt as _};
    let logs = Logs::capture();
    let response = ErrorEnvelopeLayer::detailed().layer(reports.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), status);
    let mut out = format!("{:?} {:?}", response.headers(), response.extensions());
    if let Some(refusal) = Rejection::of(&response) {
        write!(out, "{refusal:?} {refusal} {:?}", refusal.private_cause()).unwrap();
    }
    out + &text(response).await + &logs.text()
}
