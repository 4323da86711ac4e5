//! The observer of a stack, and an access log outside of it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use http::{Response, StatusCode};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_auth::{
    AuthStack, PeerAddr, Principal, Rejection, RejectionKind, RequireLayer, Rules,
    permission::{from_fn, scope},
};

use super::{HINT, KEYED, Observed, PEER, TRACE_ID, Told, from_peer, keys, record};
use crate::support::{KEY, get, ok, strict};

/// An admission of the key's holder by all guards.
fn admission() -> Told {
    Told {
        admitted: true,
        enforced: true,
        kind: None,
        layer: "gate",
        subject: Some("acme".to_owned()),
        hint: Some(HINT.to_owned()),
        peer: Some(PEER.into()),
        trace_id: Some(TRACE_ID.to_owned()),
        cause: None,
    }
}

#[tokio::test]
async fn an_observer_is_told_of_every_admission_and_refusal() {
    let observed = Observed::default();
    let rules = Rules::new().public("/open").require("/", scope("read")).require("/admin", scope("admin"));
    let stack = AuthStack::builder()
        .auth(keys(record()))
        .rules(rules)
        .require(from_fn(|_, request| request.path() != "/closed"))
        .on_decision(observed.observer())
        .build()
        .unwrap();
    let refused = |kind, layer| Told { admitted: false, kind: Some(kind), layer, ..admission() };
    let stranger = |told: Told| Told { subject: None, hint: None, ..told };
    let because = |told: Told, cause: &str| Told { cause: Some(cause.to_owned()), ..told };
    let unknown = KEY.replace('1', "2");
    for (path, headers, expected) in [
        ("/", &KEYED[..], admission()),
        ("/admin", &KEYED, refused(RejectionKind::InsufficientPermissions, "rules")),
        ("/unknown", &KEYED, refused(RejectionKind::NotFound, "rules")),
        ("/a//b", &KEYED, refused(RejectionKind::MalformedRequest, "rules")),
        ("/", &[], stranger(refused(RejectionKind::MissingCredential, "auth"))),
        (
            "/",
            &[("x-api-key", &unknown)],
            because(stranger(refused(RejectionKind::InvalidKey, "api_key")), "the key is unknown"),
        ),
        (
            "/",
            &[("x-api-key", "ak_x")],
            because(stranger(refused(RejectionKind::InvalidKey, "api_key")), "the key does not match the key format"),
        ),
        (
            "/",
            &[KEYED[0], KEYED[0]],
            because(stranger(refused(RejectionKind::MalformedRequest, "auth")), "a credential header is repeated"),
        ),
        ("/open", &[], stranger(refused(RejectionKind::MissingCredential, "permission"))),
    ] {
        stack.layer(ok()).oneshot(from_peer(path, headers)).await.unwrap();
        assert_eq!(observed.take(), [expected], "{path} {headers:?}");
    }
}

#[tokio::test]
async fn an_observer_is_told_of_a_refusal_from_further_in_after_the_admission() {
    let observed = Observed::default();
    let stack = AuthStack::builder().auth(keys(record())).on_decision(observed.observer()).build().unwrap();
    let handler = strict(|_| Rejection::custom(StatusCode::CONFLICT, "TAKEN").cause("a row").into_response());
    stack.layer(handler).oneshot(from_peer("/", &KEYED)).await.unwrap();
    let [first, second] = &observed.take()[..] else { panic!("two decisions") };
    assert_eq!(*first, admission());
    let expected = Told {
        admitted: false,
        kind: Some(RejectionKind::Custom),
        layer: "handler",
        cause: Some("a row".to_owned()),
        ..admission()
    };
    assert_eq!(Told { peer: first.peer, ..second.clone() }, expected);
    let route = RequireLayer::scope("admin");
    stack.layer(route.layer(ok())).oneshot(from_peer("/", &KEYED)).await.unwrap();
    let told = observed.take();
    assert_eq!(
        (told.len(), told[1].layer, told[1].kind),
        (2, "permission", Some(RejectionKind::InsufficientPermissions))
    );
    assert_eq!((told[1].subject.as_deref(), told[1].hint.as_deref()), (Some("acme"), Some(HINT)));
}

#[tokio::test]
async fn a_peer_is_told_where_somebody_left_it() {
    let observed = Observed::default();
    let stack = AuthStack::builder().auth(keys(record())).on_decision(observed.observer()).build().unwrap();
    let own: IpAddr = "2001:db8::1".parse().unwrap();
    let socket: std::net::SocketAddr = "198.51.100.9:4711".parse().unwrap();
    for (own, of_host, expected) in [
        (None, false, None),
        (Some(own), false, Some(own)),
        (None, true, Some(socket.ip())),
        // The service's own word counts first: it may know what stands in front of it.
        (Some(own), true, Some(own)),
    ] {
        for headers in [&KEYED[..], &[]] {
            let mut request = get("/", headers);
            if let Some(own) = own {
                request.extensions_mut().insert(PeerAddr(own));
            }
            if of_host {
                request.extensions_mut().insert(axum::extract::ConnectInfo(socket));
            }
            // A header is nobody's address.
            request.headers_mut().insert("x-forwarded-for", "203.0.113.1".parse().unwrap());
            stack.layer(ok()).oneshot(request).await.unwrap();
            assert_eq!(observed.take()[0].peer, expected);
        }
    }
    let mut request = get("/", &KEYED);
    request
        .extensions_mut()
        .insert(tonic::transport::server::TcpConnectInfo { local_addr: None, remote_addr: Some(socket) });
    stack.layer(ok()).oneshot(request).await.unwrap();
    assert_eq!(observed.take()[0].peer, Some(socket.ip()));
}

/// An access log outside of the stack sees what no inner layer could put into its request.
#[tokio::test]
async fn an_access_log_outside_reads_principal_and_refusal() {
    let rules = Rules::new().public("/open").require("/", scope("read")).require("/admin", scope("admin"));
    let stack = |expose: bool| {
        let builder = AuthStack::builder().auth(keys(record())).rules(rules.clone());
        if expose { builder.expose_principal().build().unwrap() } else { builder.build().unwrap() }
    };
    for (path, headers, who, why) in [
        ("/", &KEYED[..], Some("acme"), None),
        ("/", &[], None, Some((RejectionKind::MissingCredential, "auth"))),
        ("/admin", &KEYED, Some("acme"), Some((RejectionKind::InsufficientPermissions, "rules"))),
        ("/unknown", &KEYED, Some("acme"), Some((RejectionKind::NotFound, "rules"))),
        ("/open", &KEYED, None, None),
    ] {
        for media in ["application/json", "application/grpc"] {
            for expose in [true, false] {
                let line = Arc::new(Mutex::new(None));
                let log = Arc::clone(&line);
                let service = ServiceBuilder::new()
                    .map_response(move |response: Response<_>| {
                        let who = response.extensions().get::<Principal>().map(|who| who.subject().to_owned());
                        let why = Rejection::of(&response).map(|why| (why.kind(), why.layer().unwrap_or("handler")));
                        *log.lock().unwrap() = Some((who, why));
                        response
                    })
                    .layer(stack(expose))
                    .service(ok());
                let headers: Vec<_> = headers.iter().copied().chain([("content-type", media)]).collect();
                let mut request = get(path, &headers);
                *request.method_mut() = http::Method::POST;
                service.oneshot(request).await.unwrap();
                let who = who.filter(|_| expose).map(str::to_owned);
                assert_eq!(line.lock().unwrap().take(), Some((who, why)), "{path} {media}, exposed: {expose}");
            }
        }
    }
}
