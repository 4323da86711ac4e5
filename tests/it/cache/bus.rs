//! Changes in memory: what processes tell each other, with a switch for each failure.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_auth::{
    BoxError,
    cache::{Announcement, ChangeSink, Changes, ChangesFuture, Subscription},
};

use super::gate::Gate;

/// What all processes share.
#[derive(Clone, Default)]
pub(crate) struct Bus(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    lines: Vec<Line>,
    bound: Option<Duration>,
}

/// How one process is connected. It may subscribe more than once.
#[derive(Clone)]
pub(crate) struct Line(Arc<Wire>);

struct Wire {
    bus: Bus,
    subscribing: Gate,
    barriers: Gate,
    announcing: Gate,
    bounds: Gate,
    /// Whether announcements wait for a barrier or for [`Line::deliver`].
    is_slow: AtomicBool,
    connections: Mutex<Connections>,
    log: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Connections {
    count: u64,
    open: Vec<Connection>,
}

struct Connection {
    number: u64,
    sink: ChangeSink,
    waiting: VecDeque<Announcement>,
    delivered: usize,
}

impl Connection {
    /// Delivers in the order of arrival, until so many were delivered since the beginning.
    fn deliver(&mut self, until: usize) {
        while self.delivered < until
            && let Some(next) = self.waiting.pop_front()
        {
            self.delivered += 1;
            self.sink.announced(next);
        }
    }
}

impl Bus {
    pub(crate) fn line(&self) -> Line {
        let line = Line(Arc::new(Wire {
            bus: self.clone(),
            subscribing: Gate::new(),
            barriers: Gate::new(),
            announcing: Gate::new(),
            bounds: Gate::new(),
            is_slow: AtomicBool::new(false),
            connections: Mutex::default(),
            log: Mutex::default(),
        }));
        self.0.lock().unwrap().lines.push(line.clone());
        line
    }

    /// Announces to all, as a store does that announces its changes itself.
    pub(crate) fn announce(&self, what: impl Into<Announcement>) {
        let what = what.into();
        let lines = self.0.lock().unwrap().lines.clone();
        for line in &lines {
            line.arrive(what);
        }
    }

    pub(crate) fn store_bound(&self, bound: Duration) {
        self.0.lock().unwrap().bound = Some(bound);
    }
}

impl Line {
    pub(crate) fn subscribing(&self) -> &Gate {
        &self.0.subscribing
    }

    pub(crate) fn barriers(&self) -> &Gate {
        &self.0.barriers
    }

    pub(crate) fn announcing(&self) -> &Gate {
        &self.0.announcing
    }

    pub(crate) fn bounds(&self) -> &Gate {
        &self.0.bounds
    }

    /// Makes announcements wait from now on.
    pub(crate) fn slow_down(&self) {
        self.0.is_slow.store(true, SeqCst);
    }

    /// Delivers up to so many announcements that wait.
    pub(crate) fn deliver(&self, most: usize) {
        for connection in &mut self.0.connections.lock().unwrap().open {
            let until = connection.delivered.saturating_add(most);
            connection.deliver(until);
        }
    }

    /// Loses the connections, with what waits, and says so.
    pub(crate) fn lose(&self) {
        let lost = std::mem::take(&mut self.0.connections.lock().unwrap().open);
        for connection in lost {
            connection.sink.lost("the network is down");
        }
    }

    /// What was called, the oldest first.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.log.lock().unwrap().clone()
    }

    /// How many barriers there were.
    pub(crate) fn beats(&self) -> usize {
        self.log().iter().filter(|line| *line == "barrier").count()
    }

    fn note(&self, what: impl Into<String>) {
        self.0.log.lock().unwrap().push(what.into());
    }

    fn arrive(&self, what: Announcement) {
        let now = !self.0.is_slow.load(SeqCst);
        for connection in &mut self.0.connections.lock().unwrap().open {
            connection.waiting.push_back(what);
            if now {
                connection.deliver(usize::MAX);
            }
        }
    }

    fn connect(&self, sink: ChangeSink) -> Listener {
        let mut connections = self.0.connections.lock().unwrap();
        connections.count += 1;
        let number = connections.count;
        connections.open.push(Connection { number, sink, waiting: VecDeque::new(), delivered: 0 });
        Listener { line: self.clone(), number }
    }

    /// Calls this with a connection, if it is not lost.
    fn on<T>(&self, number: u64, what: impl FnOnce(&mut Connection) -> T) -> Result<T, BoxError> {
        let mut connections = self.0.connections.lock().unwrap();
        let found = connections.open.iter_mut().find(|connection| connection.number == number);
        found.map(what).ok_or_else(|| "the connection is lost".into())
    }
}

impl Changes for Line {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        self.note("subscribe");
        let (line, subscribing) = (self.clone(), self.0.subscribing.pass());
        ChangesFuture::boxed(async move {
            subscribing.await?;
            Ok(Box::new(line.connect(sink)) as Box<dyn Subscription>)
        })
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        self.note("bound");
        let (line, bounds) = (self.clone(), self.0.bounds.pass());
        ChangesFuture::boxed(async move {
            bounds.await?;
            Ok(*line.0.bus.0.lock().unwrap().bound.get_or_insert(wanted))
        })
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        let (line, bounds) = (self.clone(), self.0.bounds.pass());
        ChangesFuture::boxed(async move {
            bounds.await?;
            Ok(line.0.bus.0.lock().unwrap().bound)
        })
    }

    fn announce(&self, changes: &[Announcement]) -> ChangesFuture<()> {
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        self.note(format!("announce {}", told.join(" ")));
        let (line, changes, announcing) = (self.clone(), changes.to_vec(), self.0.announcing.pass());
        ChangesFuture::boxed(async move {
            announcing.await?;
            for change in changes {
                line.0.bus.announce(change);
            }
            Ok(())
        })
    }
}

struct Listener {
    line: Line,
    number: u64,
}

impl Subscription for Listener {
    /// Delivers what was announced before the call, and no more than that.
    fn barrier(&mut self) -> ChangesFuture<()> {
        self.line.note("barrier");
        let before = self.line.on(self.number, |connection| connection.delivered + connection.waiting.len());
        let (line, number, barriers) = (self.line.clone(), self.number, self.line.0.barriers.pass());
        ChangesFuture::boxed(async move {
            barriers.await?;
            let before = before?;
            line.on(number, |connection| connection.deliver(before))
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut connections = self.line.0.connections.lock().unwrap();
        connections.open.retain(|connection| connection.number != self.number);
    }
}
