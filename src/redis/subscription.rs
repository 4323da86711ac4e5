//! The connection that hears of changes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redis::{PushInfo, PushKind, Value, cmd};

use super::{bound::Agreed, connection::Connection, failure::Failure, primary::Primary};
use crate::cache::{Announcement, ChangeSink, Changed, ChangesFuture, Subscription};

/// What gives the messages of the server to the sink.
///
/// redis-rs calls it where it reads from the connection, one message after the other, before it reads the next one and so before
/// it completes the request that a later reply belongs to: `PipelineSink::poll_read` and `send_result` in
/// `aio/multiplexed_connection.rs` (1.8). The order of `Subscription::barrier` depends on this.
pub(super) struct Ear {
    sink: ChangeSink,
    lost: AtomicBool,
}

impl Ear {
    pub(super) fn new(sink: ChangeSink) -> Self {
        Self { sink, lost: AtomicBool::new(false) }
    }

    pub(super) fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => self.announced(&push.data),
            PushKind::Disconnection => self.lose("the connection is closed"),
            // Nobody unsubscribes here: the server does, when the slot has moved to another one.
            PushKind::Unsubscribe | PushKind::SUnsubscribe => self.lose("the slot of the changes has moved"),
            _ => {}
        }
    }

    /// A message is the channel and the announcements, separated by spaces.
    fn announced(&self, message: &[Value]) {
        let text = match message {
            [_, Value::BulkString(text)] => std::str::from_utf8(text).ok(),
            _ => None,
        };
        let mut parts = text.unwrap_or_default().split(' ').filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() {
            self.sink.announced(Changed::Everything.into());
        }
        for part in parts {
            let Ok(what) = part.parse::<Announcement>();
            self.sink.announced(what);
        }
    }

    fn lose(&self, why: &str) {
        self.lost.store(true, Ordering::SeqCst);
        self.sink.lost(Failure::new(why));
    }

    fn check(&self) -> Result<(), Failure> {
        let lost = self.lost.load(Ordering::SeqCst);
        if lost { Err(Failure::new("the subscription is lost")) } else { Ok(()) }
    }
}

/// A connection that hears.
pub(super) struct Listening {
    pub(super) connection: Connection,
    pub(super) ear: Arc<Ear>,
    pub(super) place: Arc<Place>,
    pub(super) primary: Primary,
}

/// What a subscription relies on.
pub(super) struct Place {
    /// The key of the shared bound, in the slot of the channel.
    pub(super) key: String,
    pub(super) agreed: Agreed,
}

impl Subscription for Listening {
    fn barrier(&mut self) -> ChangesFuture<()> {
        let (connection, ear) = (self.connection.clone(), Arc::clone(&self.ear));
        let (place, primary) = (Arc::clone(&self.place), self.primary.clone());
        ChangesFuture::boxed(async move { Ok(barrier(connection, &ear, &place, &primary).await?) })
    }
}

/// One round trip. The reply follows all messages that the server sent before; it counts only from the primary to which the
/// changes are announced. That is the primary which holds the key, because the channel is in the same slot: a server that has lost
/// the slot, or its quorum, answers with an error, and so does one from which the key has moved already.
async fn barrier(mut connection: Connection, ear: &Ear, place: &Place, primary: &Primary) -> Result<(), Failure> {
    ear.check()?;
    let (now, stored): (Primary, Option<String>) = connection.ask_primary(&[cmd("GET").arg(&place.key).take()]).await?;
    if now != *primary {
        ear.lose("the server was a replica in the meantime");
    } else if !place.agreed.is(stored.as_deref()) {
        ear.lose("the data of the server were lost, or the shared bound was changed");
    }
    // The message that the slot has moved ends requests too, as if it were their reply.
    ear.check()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cache::Heard;

    /// What a sink hears of a message.
    fn heard(kind: PushKind, data: Vec<Value>) -> Vec<String> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let sink = ChangeSink::new({
            let all = Arc::clone(&all);
            move |one| {
                all.lock().unwrap().push(match one {
                    Heard::Announced(what) => what.to_string(),
                    Heard::Lost(why) => why.to_string(),
                });
            }
        });
        Ear::new(sink).hear(&PushInfo { kind, data });
        let all = all.lock().unwrap();
        all.clone()
    }

    fn message(payload: &[u8]) -> Vec<Value> {
        vec![Value::BulkString(b"channel".to_vec()), Value::BulkString(payload.to_vec())]
    }

    #[test]
    fn announcements_are_taken_apart() {
        assert_eq!(heard(PushKind::Message, message(b"cf5c + 0001")), ["cf5c", "+", "0001"]);
        assert_eq!(heard(PushKind::SMessage, message(b" cf5c ")), ["cf5c"]);
    }

    #[test]
    fn what_cannot_be_read_is_everything() {
        for payload in [&b""[..], b" ", b"\xff", b"v2"] {
            assert_eq!(heard(PushKind::Message, message(payload)), ["*"], "{payload:?}");
        }
        assert_eq!(heard(PushKind::Message, vec![]), ["*"]);
        assert_eq!(heard(PushKind::Message, message(b"cf5c later")), ["cf5c", "*"]);
    }

    #[test]
    fn an_end_is_told_and_a_confirmation_is_not() {
        assert_eq!(heard(PushKind::Disconnection, vec![]), ["Redis: the connection is closed"]);
        assert_eq!(heard(PushKind::SUnsubscribe, vec![]), ["Redis: the slot of the changes has moved"]);
        assert!(heard(PushKind::SSubscribe, message(b"1")).is_empty());
    }
}
