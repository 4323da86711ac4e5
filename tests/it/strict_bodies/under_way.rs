//! How many bytes all bodies that are still arriving may hold.

use std::{pin::pin, time::Duration};

use http_body::SizeHint;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::BodyLimits;

use super::{
    GOOD, ask, post,
    script::{Script, Step},
    slow::{Answering, answering, data, limited, poll, status, stuck},
};

/// A body that has sent so many bytes, and keeps them until this is dropped.
pub(super) fn held(limits: &BodyLimits, bytes: usize) -> Answering {
    let mut answer = answering(&limited(limits), Script::of([Step::Data(" ".repeat(bytes).into()), Step::Stall]));
    assert_eq!(status(poll(answer.as_mut())), None);
    answer
}

#[tokio::test]
async fn r152_more_bytes_under_way_than_there_may_be_are_503() {
    let limits = BodyLimits::new().max_in_flight_bytes(20);
    let first = held(&limits, 13);
    let answer = ask(&limited(&limits), post(Script::whole(GOOD))).await;
    answer.assert_refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
    assert!(answer.cause().contains("BodyLimits::max_in_flight_bytes"), "{}", answer.cause());
    // The last byte that has room is taken.
    for (length, status) in [(7, 400), (8, 503)] {
        assert_eq!(ask(&limited(&limits), post(Script::whole(" ".repeat(length)))).await.status, status);
        let bytes = std::iter::repeat_n(" ", length);
        assert_eq!(ask(&limited(&limits), post(Script::pieces(bytes))).await.status, status);
    }
    // Clones share the room, whatever else they say; what is made anew has its own.
    let other = limits.clone().max_bytes(50).read_timeout(Duration::from_secs(1));
    ask(&limited(&other), post(Script::whole(GOOD))).await.assert_refused(503, "SERVICE_UNAVAILABLE");
    for other in [limits.clone().max_in_flight_bytes(20), BodyLimits::new().max_in_flight_bytes(20)] {
        ask(&limited(&other), post(Script::whole(GOOD))).await.assert_passed(GOOD);
    }
    ask(&limited(&limits).optional(), post(Script::none())).await.assert_passed("");
    drop(first);
    ask(&limited(&limits), post(Script::whole(GOOD))).await.assert_passed(GOOD);
}

#[tokio::test]
async fn r152_a_body_that_is_alone_may_always_arrive() {
    let limits = BodyLimits::new().max_in_flight_bytes(1);
    let bytes = || Script::pieces(GOOD.bytes().map(|byte| vec![byte]));
    ask(&limited(&limits), post(bytes())).await.assert_passed(GOOD);
    let _first = held(&limits, 100);
    ask(&limited(&limits), post(bytes())).await.assert_refused(503, "SERVICE_UNAVAILABLE");
}

#[tokio::test(start_paused = true)]
async fn r152_whatever_becomes_of_a_body_its_bytes_are_free_again() {
    let limits = BodyLimits::new().max_bytes(30).max_in_flight_bytes(20).read_timeout(Duration::from_secs(1));
    // Were anything still held, so much would not have room.
    let free = async |what: &str| {
        let full = GOOD.to_owned() + &" ".repeat(20 - GOOD.len());
        assert_eq!(ask(&limited(&limits), post(Script::whole(full))).await.status, 200, "after {what}");
    };
    let half = || data("          ");
    for (what, steps, expected) in [
        ("one that was read", vec![half(), Step::Wait, data("{\"a\":1}  ")], 422),
        ("no JSON", vec![half(), Step::Wait, data("]")], 400),
        ("one that broke off", vec![half(), Step::Wait, Step::Fail], 400),
        ("one that was too slow", vec![half(), Step::Stall], 408),
        ("one that was too large", vec![half(), Step::Wait, data("123456789012345678901")], 413),
    ] {
        assert_eq!(ask(&limited(&limits), post(Script::of(steps))).await.status, expected, "{what}");
        free(what).await;
    }
    let other = held(&limits, 5);
    let two = Script::of([half(), Step::Wait, data("123456")]);
    assert_eq!(ask(&limited(&limits), post(two)).await.status, 503);
    drop(other);
    free("one that had no room").await;
    // Dropped at every poll.
    let steps = || GOOD.bytes().flat_map(|byte| [Step::Wait, Step::Data(vec![byte].into()), Step::Wait]);
    for polls in 0..=GOOD.len() * 2 {
        let mut answer = answering(&limited(&limits), Script::of(steps()));
        for _ in 0..polls {
            assert_eq!(status(poll(answer.as_mut())), None);
        }
        drop(answer);
        free(&format!("one that was dropped after {polls} polls")).await;
    }
    // A body that has arrived counts no longer, however long its handler takes.
    let mut answer = pin!(limited(&limits).layer(service_fn(stuck)).oneshot(post(Script::whole(GOOD))));
    assert!(poll(answer.as_mut()).is_pending());
    free("one that is with its handler").await;
}

#[tokio::test]
async fn r152_a_body_holds_what_has_come_of_it_at_most_twice() {
    // Nothing is set aside for bytes that are only announced.
    let limits = BodyLimits::new().max_in_flight_bytes(13);
    let announced = Script::of([data("{"), Step::Stall]).hint(SizeHint::with_exact(1 << 20));
    let mut first = answering(&limited(&limits), announced);
    assert_eq!(status(poll(first.as_mut())), None);
    ask(&limited(&limits), post(Script::whole(GOOD))).await.assert_passed(GOOD);
    for length in 1..600 {
        let limits = BodyLimits::new().max_in_flight_bytes(2 * length + GOOD.len());
        let bytes = std::iter::repeat_n(data(" "), length).chain([Step::Stall]);
        let mut first = answering(&limited(&limits), Script::of(bytes));
        for _ in 0..20 {
            assert_eq!(status(poll(first.as_mut())), None);
        }
        assert_eq!(ask(&limited(&limits), post(Script::whole(GOOD))).await.status, 200, "beside {length} bytes");
    }
    // Nor for more than can still come.
    let limits = BodyLimits::new().max_in_flight_bytes(100 + GOOD.len());
    let pieces = [60, 20, 20].map(|length| Step::Data(" ".repeat(length).into())).into_iter().chain([Step::Stall]);
    let mut first = answering(&limited(&limits), Script::of(pieces).hint(SizeHint::with_exact(100)));
    assert_eq!(status(poll(first.as_mut())), None);
    ask(&limited(&limits), post(Script::whole(GOOD))).await.assert_passed(GOOD);
}
