//! One committed text that holds every kind of refusal in every format, so that no code ever changes unseen.
//!
//! Where a change is meant, run the test with `UPDATE_SNAPSHOT=1` and read the difference before it is committed.

use std::{collections::BTreeMap, fmt::Write as _, fs, time::Duration};

use http::{HeaderMap, StatusCode};
use tower_auth::{
    ErrorEnvelopeLayer, Rejection, RejectionKind,
    rejection::{Restriction, StepUp},
};

use super::{TRACE_ID, TYPES, shown};
use crate::{grpc::decoded, support::text};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/formats/snapshot.txt");

/// A refusal of every kind, with what it typically tells, one of every restriction, and one in a handler's own words.
fn typical() -> Vec<(String, Rejection)> {
    let mut all: Vec<(String, Rejection)> =
        RejectionKind::ALL.iter().copied().map(|kind| (format!("{kind:?}"), of_kind(kind))).collect();
    all.extend(Restriction::ALL.iter().map(|one| (format!("Restricted: {one:?}"), Rejection::restricted(*one))));
    let own = Rejection::custom(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND")
        .message("There is no such model.")
        .system_message("Unknown model id")
        .detail("model_id", "gpt-9");
    all.push(("Custom, in a handler's words".to_owned(), own));
    all
}

fn of_kind(kind: RejectionKind) -> Rejection {
    use RejectionKind as K;
    let refusal = Rejection::new(kind).cause("PLANTED private cause");
    match kind {
        K::MalformedRequest => refusal.detail("header", "x-api-key"),
        K::ExpiredKey => refusal.detail("expired_at", "2025-01-01T00:00:00Z"),
        K::InsufficientPermissions => refusal
            .detail("required_role", "admin")
            .detail("required_permissions", vec!["write".to_owned(), "admin".to_owned()]),
        K::InsufficientAuthentication => {
            let needed = StepUp::new().acr_values(["urn:example:mfa"]).max_age(Duration::from_secs(300));
            Rejection::step_up(needed).cause("PLANTED private cause")
        }
        K::OrganizationDenied => refusal.detail("organization_id", "org_demo"),
        K::InvalidJson => refusal.detail("line", 3_u64).detail("column", 14_u64),
        K::InvalidFields => refusal.detail("fields", vec!["/email_adress".to_owned(), "/age".to_owned()]),
        K::PayloadTooLarge => refusal.detail("limit", 2_097_152_u64),
        K::RateLimited => {
            refusal.detail("limit", 100_u64).detail("retry_after", 30_u64).retry_after(Duration::from_millis(29_001))
        }
        K::TooCostly => refusal.detail("limit", 120_u64).detail("cost", 500_u64),
        K::Unavailable => Rejection::unavailable("PLANTED connection refused"),
        _ => refusal,
    }
}

fn formats() -> [(&'static str, ErrorEnvelopeLayer); 5] {
    [
        ("detailed", ErrorEnvelopeLayer::detailed()),
        ("compact", ErrorEnvelopeLayer::compact()),
        ("openai", ErrorEnvelopeLayer::openai()),
        ("problem, about:blank", ErrorEnvelopeLayer::problem_json()),
        ("problem, with types", ErrorEnvelopeLayer::problem_types(TYPES)),
    ]
}

/// All headers, by name, but the length of the body.
fn headers(headers: &HeaderMap) -> String {
    let sorted: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let shown = sorted.into_iter().filter(|(name, _)| !["content-length", "grpc-status-details-bin"].contains(name));
    shown.fold(String::new(), |text, (name, value)| text + &format!("{name}: {value}\n"))
}

async fn rendered() -> String {
    let mut all = format!("trace id {TRACE_ID}\n");
    for (name, refusal) in typical() {
        writeln!(all, "\n======== {name}").unwrap();
        for (format, layer) in formats() {
            let response = shown(&layer, &[], &refusal).await;
            let (status, fields) = (response.status().as_u16(), headers(response.headers()));
            writeln!(all, "-------- {format}: {status}\n{fields}{}", text(response).await).unwrap();
        }
        let layer = ErrorEnvelopeLayer::detailed().grpc_domain("orders.example.com");
        let response = shown(&layer, &[("content-type", "application/grpc"), ("te", "trailers")], &refusal).await;
        let (status, fields) = (response.status().as_u16(), headers(response.headers()));
        writeln!(all, "-------- grpc: {status}\n{fields}{}", decoded(response.headers()).trim_end()).unwrap();
        assert_eq!(text(response).await, "");
    }
    all
}

#[tokio::test]
async fn every_kind_in_every_format_is_as_it_was() {
    let now = Box::pin(rendered()).await;
    assert!(!now.contains("PLANTED"));
    if std::env::var_os("UPDATE_SNAPSHOT").is_some_and(|update| update == "1") {
        fs::write(SNAPSHOT, &now).unwrap();
    }
    let then = fs::read_to_string(SNAPSHOT).unwrap();
    let same = now.lines().zip(then.lines()).take_while(|(now, then)| now == then).count();
    let heading = then.lines().take(same).filter(|line| line.starts_with("====")).last();
    assert!(
        now == then,
        "{SNAPSHOT}:{}, under {heading:?}\nit was {:?}\nit is  {:?}\nrun with UPDATE_SNAPSHOT=1 if that is meant",
        same + 1,
        then.lines().nth(same),
        now.lines().nth(same)
    );
}

/// The committed text itself holds every kind: an empty file would equal an empty rendering.
#[test]
fn the_snapshot_holds_every_kind_six_times() {
    let then = fs::read_to_string(SNAPSHOT).unwrap();
    let sections: Vec<&str> = then.split("\n======== ").skip(1).collect();
    assert_eq!(sections.len(), RejectionKind::ALL.len() + Restriction::ALL.len() + 1);
    for (section, kind) in sections.iter().zip(RejectionKind::ALL.iter().copied()) {
        assert!(section.starts_with(&format!("{kind:?}\n")), "{section}");
        assert_eq!(section.matches("\n-------- ").count(), 6, "{section}");
        assert_eq!(section.matches(&format!(": {}\n", kind.status().as_u16())).count(), 5, "{section}");
        assert!(section.contains(&format!("\ngrpc-status: {}\n", kind.grpc_code())), "{section}");
    }
}
