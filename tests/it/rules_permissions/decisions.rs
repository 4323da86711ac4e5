//! Who sees a decision: the observer, the access log further out, and the holder of the response.

use std::{
    error::Error as _,
    sync::{Arc, Mutex},
};

use http::{Response, StatusCode};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, Decision, Detail, Disclosure, KeyDigests, KeyRecord, KeyState, KeyStore,
    Principal, Rejection, RejectionKind, RequireLayer, StoreFuture,
    permission::{Verdict, from_fn, scope},
    stack::AuthStackBuilder,
};

use super::{answer, keys};
use crate::support::{Body, KEY, get, ok, store, strict};

type Kind = RejectionKind;

/// What an observer received, as far as it can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    kind: Option<Kind>,
    layer: String,
    subject: Option<String>,
    hint: Option<String>,
    trace_id: Option<String>,
    cause: Option<String>,
}

fn note(decision: &Decision<'_>) -> Told {
    assert_eq!(decision.is_admitted(), decision.rejection().is_none());
    assert_eq!(decision.kind(), decision.rejection().map(Rejection::kind));
    Told {
        kind: decision.kind(),
        layer: decision.layer().to_owned(),
        subject: decision.principal().map(|who| who.subject().to_owned()),
        hint: decision.credential_hint().map(str::to_owned),
        trace_id: decision.trace_id().map(|id| id.to_string()),
        cause: decision.private_cause().map(ToString::to_string),
    }
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<Told>>>);

impl Ears {
    fn on(&self, stack: AuthStackBuilder) -> AuthStack {
        let ears = Arc::clone(&self.0);
        stack.on_decision(move |decision| ears.lock().unwrap().push(note(decision))).build().unwrap()
    }

    fn heard(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn told(kind: Option<Kind>, layer: &str, subject: Option<&str>, cause: Option<&str>) -> Told {
    Told {
        kind,
        layer: layer.to_owned(),
        subject: subject.map(str::to_owned),
        hint: subject.map(|_| "ak_…5678".to_owned()),
        trace_id: Some("0af76519-16cd-43dd-8448-eb211c80319c".to_owned()),
        cause: cause.map(str::to_owned),
    }
}

const TRACE: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
const WITH_KEY: [(&str, &str); 2] = [TRACE, ("x-api-key", KEY)];

fn reader() -> ApiKeyLayer {
    keys(KeyRecord::new("k1", "acme").scopes(["read"]))
}

#[tokio::test]
async fn r087_the_observer_hears_every_decision_of_the_stack() {
    struct Down;
    impl KeyStore for Down {
        fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
            StoreFuture::boxed(async { Err("connection refused".into()) })
        }
    }
    let unknown = KEY.replace('1', "2");
    let down = ApiKeyLayer::new(store(KeyRecord::new("k", "a")).0, Down);
    let record = || KeyRecord::new("k1", "acme");
    let revoked = keys(record().state(KeyState::Revoked));
    let paused = keys(record().state(KeyState::Paused)).disclose(Disclosure::State);
    let suspended = keys(record().organization_suspended(true));
    let acme = Some("acme");
    let invalid = Some(Kind::InvalidKey);
    for (keys, key, expected) in [
        (reader(), KEY, told(None, "gate", acme, None)),
        (reader(), "", told(Some(Kind::MissingCredential), "auth", None, None)),
        (reader(), "x", told(invalid, "api_key", None, Some("the key does not match the key format"))),
        (reader(), &unknown, told(invalid, "api_key", None, Some("the key is unknown"))),
        (revoked, KEY, told(invalid, "api_key", acme, Some("the key is revoked"))),
        (paused, KEY, told(Some(Kind::PausedKey), "api_key", acme, Some("the key is paused"))),
        (suspended, KEY, told(invalid, "api_key", acme, Some("the key's organisation is suspended"))),
        (down, KEY, told(Some(Kind::Unavailable), "api_key", None, Some("connection refused"))),
    ] {
        let ears = Ears::default();
        let stack = ears.on(AuthStack::builder().auth(keys));
        answer(stack.layer(ok()), get("/", &[TRACE, ("x-api-key", key)])).await;
        assert_eq!(ears.heard(), [expected]);
    }
}

#[tokio::test]
async fn r087_the_observer_hears_of_policies_and_of_refusals_further_in() {
    let acme = Some("acme");
    let ears = Ears::default();
    let admitted = told(None, "gate", acme, None);
    let denied = told(Some(Kind::InsufficientPermissions), "permission", acme, None);
    // A policy of the stack's own.
    let stack = ears.on(AuthStack::builder().auth(reader()).require(scope("write")));
    answer(stack.layer(ok()), get("/", &WITH_KEY)).await;
    assert_eq!(ears.heard(), std::slice::from_ref(&denied));
    let down = from_fn(|_, _| Verdict::Undecided("policy service down".into()));
    let stack = ears.on(AuthStack::builder().auth(reader()).require(scope("read")).require(down));
    answer(stack.layer(ok()), get("/", &WITH_KEY)).await;
    assert_eq!(ears.heard(), [told(Some(Kind::Unavailable), "permission", acme, Some("policy service down"))]);
    // One that stands further in, and a handler.
    let stack = ears.on(AuthStack::builder().auth(reader()));
    answer(stack.layer(RequireLayer::scope("write").layer(ok())), get("/", &WITH_KEY)).await;
    assert_eq!(ears.heard(), [admitted.clone(), denied.clone()]);
    let handler = strict(|_| Rejection::internal("the handler broke").into_response());
    answer(stack.layer(handler.clone()), get("/", &WITH_KEY)).await;
    let broke = told(Some(Kind::Internal), "handler", acme, Some("the handler broke"));
    assert_eq!(ears.heard(), [admitted.clone(), broke.clone()]);
    // The guards without their envelope hear as well, and have no trace id.
    answer(stack.guards().layer(handler), get("/", &WITH_KEY)).await;
    let untraced = |told: &Told| Told { trace_id: None, ..told.clone() };
    assert_eq!(ears.heard(), [untraced(&admitted), untraced(&broke)]);
    answer(stack.guards().layer(ok()), get("/", &WITH_KEY)).await;
    assert_eq!(ears.heard(), [untraced(&admitted)]);
    // An envelope further out gives one.
    let service = stack.envelope().layer(stack.guards().layer(RequireLayer::scope("write").layer(ok())));
    answer(service, get("/", &WITH_KEY)).await;
    assert_eq!(ears.heard(), [admitted, denied]);
}

#[tokio::test]
async fn r087_a_visitor_is_admitted_as_nobody() {
    let ears = Ears::default();
    let stack = ears.on(AuthStack::builder().auth(AuthLayer::first(reader()).optional()));
    answer(stack.layer(RequireLayer::scope("read").layer(ok())), get("/", &[TRACE])).await;
    let refused = told(Some(Kind::MissingCredential), "permission", None, None);
    assert_eq!(ears.heard(), [told(None, "gate", None, None), refused]);
}

#[tokio::test]
async fn r091_the_principal_is_shown_to_outer_layers_only_where_asked() {
    let subject = |response: &Response<_>| {
        let _: &Response<tower_auth::envelope::EnvelopeBody<Body>> = response;
        response.extensions().get::<Principal>().map(|who| who.subject().to_owned())
    };
    let build = |exposed: bool| {
        let stack = AuthStack::builder().auth(reader()).require(scope("read")).on_decision(|_| {});
        (if exposed { stack.expose_principal() } else { stack }).build().unwrap()
    };
    for exposed in [false, true] {
        let expected = exposed.then(|| "acme".to_owned());
        let admitted = answer(build(exposed).layer(ok()), get("/", &WITH_KEY)).await;
        assert_eq!((admitted.status(), subject(&admitted)), (StatusCode::OK, expected.clone()));
        let service = build(exposed).layer(RequireLayer::scope("write").layer(ok()));
        let denied = answer(service, get("/", &WITH_KEY)).await;
        assert_eq!((denied.status(), subject(&denied)), (StatusCode::FORBIDDEN, expected));
        let refused = answer(build(exposed).layer(ok()), get("/", &[("x-api-key", "no")])).await;
        assert_eq!((refused.status(), subject(&refused)), (StatusCode::UNAUTHORIZED, None));
    }
}

#[tokio::test]
async fn r165_the_refusal_stays_in_the_response_after_it_was_rendered() {
    let stack = AuthStack::builder().auth(reader()).build().unwrap();
    let handler = strict(|_| {
        Rejection::custom(StatusCode::CONFLICT, "NAME_TAKEN")
            .detail("name", "models")
            .cause("unique constraint")
            .into_response()
    });
    let response = answer(stack.layer(handler), get("/", &WITH_KEY)).await;
    let refusal = Rejection::of(&response).unwrap();
    assert_eq!(
        (refusal.kind(), refusal.status(), refusal.code()),
        (Kind::Custom, StatusCode::CONFLICT, Some("NAME_TAKEN"))
    );
    assert_eq!(refusal.details().collect::<Vec<_>>(), [("name", &Detail::Text("models".into()))]);
    assert_eq!(refusal.private_cause().unwrap().to_string(), "unique constraint");
    assert_eq!(refusal.source().unwrap().to_string(), "unique constraint");
    assert_eq!(refusal.layer(), None);
    let response = answer(stack.layer(RequireLayer::scope("write").layer(ok())), get("/", &WITH_KEY)).await;
    assert_eq!(Rejection::of(&response).unwrap().layer(), Some("permission"));
    let response = answer(stack.layer(ok()), get("/", &[])).await;
    assert_eq!(Rejection::of(&response).unwrap().layer(), Some("auth"));
    let response = answer(stack.layer(ok()), get("/", &WITH_KEY)).await;
    assert!(Rejection::of(&response).is_none());
}
