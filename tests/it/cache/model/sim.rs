//! The processes and what is known of them.

use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use tower_auth::{
    CachedKeyStore, KeyRecord, KeyStatus, KeyStore as _, RegistryError, Secret,
    registry::{Holder, KeyUpdate},
};

use super::{
    super::{BOUND, Found, Process, World, backend::Call, gate::Gate, ops, settle},
    KEYS, PROCESSES, Step, Way, What,
    history::{Asked, History},
};

const BOUND_MS: u64 = 400;

/// What a lookup shows: the version of the key, and who is suspended, as far as that can be seen.
type Seen = (String, Option<bool>, Option<bool>);

pub(super) struct Sim {
    world: World,
    processes: Vec<Process>,
    secrets: Arc<[Secret]>,
    keys: Vec<History<String>>,
    account: History<bool>,
    organization: History<bool>,
    callers: Vec<Caller>,
    changes: Vec<Pending>,
    step: u64,
    now: u64,
}

/// A lookup that is under way.
struct Caller {
    asked: Asked,
    key: usize,
    task: JoinHandle<()>,
    found: Arc<Mutex<Option<Found>>>,
}

/// A change whose call has not returned.
struct Pending {
    process: usize,
    what: What,
    version: usize,
    task: JoinHandle<Result<(), RegistryError>>,
}

impl Sim {
    pub(super) fn run(steps: &[Step]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut sim = Self::new().await;
            for step in steps {
                sim.step += 1;
                sim.take(*step).await;
                sim.check(*step).await;
            }
            sim.recover().await;
        });
    }

    async fn new() -> Self {
        let world = World::new();
        let mut processes = vec![world.leased().await, world.leased().await];
        processes.push(world.process(|backend, _| CachedKeyStore::ttl(backend, BOUND)));
        for process in &processes {
            process.line.slow_down();
            process.line.barriers().hold();
        }
        let secrets = (0..KEYS).map(|_| world.scheme.generate().unwrap()).collect();
        let keys = (0..KEYS).map(|_| History::of_key("unknown".to_owned())).collect();
        let [account, organization] = [(); 2].map(|()| History::new(false));
        let (callers, changes) = (Vec::new(), Vec::new());
        Self { world, processes, secrets, keys, account, organization, callers, changes, step: 0, now: 0 }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Ask { process, key } => self.ask(process, key, false, false),
            Step::AskFresh { process, key } => self.ask(process, key, true, false),
            Step::AskNow { process, key } => self.ask(process, key, false, true),
            Step::Read(number) => self.call(number, Call::read),
            Step::Answer(number) => self.call(number, Call::answer),
            Step::Fail(number) => self.call(number, Call::fail),
            Step::Leave(number) => self.leave(number),
            Step::Change { process, what } => self.change(process, what),
            Step::Announcing(process, way) => turn(self.processes[process].line.announcing(), way),
            Step::Deliver(process) => self.processes[process].line.deliver(1),
            Step::Beat(process) => self.beat(process).await,
            Step::WaitAndBeat(process) => {
                self.pass(BOUND_MS / 4).await;
                self.beat(process).await;
            }
            Step::Pass(time) => self.pass(time).await,
            Step::Lose(process) => self.processes[process].line.lose(),
            Step::Connecting(process, way) => turn(self.processes[process].line.subscribing(), way),
        }
        settle().await;
    }

    fn ask(&mut self, process: usize, key: usize, is_fresh: bool, at_once: bool) {
        let (asked, secret) = (&self.processes[process], &self.secrets[key]);
        if at_once {
            asked.backend.answer();
        } else {
            asked.backend.hold();
        }
        let digests = asked.scheme.digests(secret.expose().as_bytes()).unwrap();
        let (keys, found) = (asked.keys.clone(), Arc::new(Mutex::new(None)));
        // Without a lease, an answer is not older than the call.
        let must_be_fresh = is_fresh || !asked.keys.health().is_used;
        let finding = if is_fresh { keys.find_fresh(&digests) } else { keys.find(&digests) };
        let answer = Arc::clone(&found);
        let task = tokio::spawn(async move {
            let found = finding.await.map_err(|error| error.to_string());
            *answer.lock().unwrap() = Some(found);
        });
        let asked = Asked { process, step: self.step, must_be_fresh };
        self.callers.push(Caller { asked, key, task, found });
    }

    /// Does something with one of the lookups that the stores hold.
    fn call(&self, number: usize, what: impl FnOnce(&Call)) {
        let calls = self.processes.iter().flat_map(|process| process.backend.calls());
        let held: Vec<_> = calls.filter(Call::is_under_way).collect();
        if !held.is_empty() {
            what(&held[number % held.len()]);
        }
    }

    fn leave(&mut self, number: usize) {
        if !self.callers.is_empty() {
            let caller = self.callers.swap_remove(number % self.callers.len());
            caller.task.abort();
        }
    }

    fn change(&mut self, process: usize, what: What) {
        let registry = self.processes[process].registry.clone();
        let (secrets, version) = (Arc::clone(&self.secrets), format!("v{}", self.step));
        let holder = match what {
            What::Account => Some((Holder::account("acme"), self.account.now() == Some(&true))),
            What::Organization => Some((Holder::organization("org"), self.organization.now() == Some(&true))),
            What::Key(_) | What::Revoke(_) => None,
        };
        let number = match what {
            What::Key(key) | What::Revoke(key) if self.keys[key].now().is_some_and(|now| now == "revoked") => return,
            What::Revoke(key) if self.keys[key].now().is_some_and(|now| now == "unknown") => return,
            What::Key(key) => self.keys[key].commit(version.clone(), self.step),
            What::Revoke(key) => self.keys[key].commit("revoked".to_owned(), self.step),
            What::Account => self.account.commit(self.account.now() == Some(&false), self.step),
            What::Organization => self.organization.commit(self.organization.now() == Some(&false), self.step),
        };
        let task = tokio::spawn(async move {
            match (what, holder) {
                (What::Key(key), _) => {
                    let id = format!("key_{key}");
                    if registry.get(ops(), &id).await.is_ok() {
                        return registry.update(ops(), &id, KeyUpdate::new().scopes([version])).await.map(drop);
                    }
                    let record = KeyRecord::new(id, "acme").organizations(["org"]).scopes([version]);
                    registry.import(ops(), "ci", &secrets[key], record).await.map(drop)
                }
                (What::Revoke(key), _) => registry.revoke(ops(), &format!("key_{key}")).await.map(drop),
                (_, Some((holder, true))) => registry.reinstate(ops(), holder).await,
                (_, Some((holder, false))) => registry.suspend(ops(), holder).await,
                (_, None) => Ok(()),
            }
        });
        self.changes.push(Pending { process, what, version: number, task });
    }

    /// Answers a heartbeat, if there is one.
    async fn beat(&self, process: usize) {
        let barriers = self.processes[process].line.barriers();
        barriers.open_once();
        settle().await;
        barriers.hold();
    }

    async fn pass(&mut self, time: u64) {
        self.now += time;
        self.world.pass(std::time::Duration::from_millis(time)).await;
    }

    /// Notes what has returned, and compares the answers.
    async fn check(&mut self, step: Step) {
        let (pending, ended): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.changes).into_iter().partition(|change| !change.task.is_finished());
        self.changes = pending;
        for change in ended {
            // A change whose call has failed was made all the same, but nothing is promised.
            if change.task.await.unwrap().is_ok() {
                let (number, now, process) = (change.version, self.now, change.process);
                match change.what {
                    What::Key(key) | What::Revoke(key) => self.keys[key].returned(number, self.step, now, process),
                    What::Account => self.account.returned(number, self.step, now, process),
                    What::Organization => self.organization.returned(number, self.step, now, process),
                }
            }
        }
        for caller in self.callers.extract_if(.., |caller| caller.task.is_finished()).collect::<Vec<_>>() {
            if let Some(Ok(found)) = caller.found.lock().unwrap().take() {
                let seen = seen(found.as_ref(), &self.world);
                assert!(self.allows(&caller, &seen), "{seen:?} at {} after {step:?}: {:?}", self.now, caller.asked);
            }
        }
        for process in &self.processes {
            process.backend.assert_at_most_two();
        }
    }

    fn allows(&self, caller: &Caller, (key, account, organization): &Seen) -> bool {
        let (asked, now) = (caller.asked, self.now);
        self.keys[caller.key].allows(key, asked, now, BOUND_MS)
            && account.as_ref().is_none_or(|seen| self.account.allows(seen, asked, now, BOUND_MS))
            && organization.as_ref().is_none_or(|seen| self.organization.allows(seen, asked, now, BOUND_MS))
    }

    /// Ends all failures. Then each process knows what is stored.
    async fn recover(&mut self) {
        for process in &self.processes {
            process.backend.answer();
            process.line.subscribing().open();
            process.line.announcing().open();
            process.line.barriers().open();
            process.backend.calls().iter().for_each(Call::answer);
        }
        for _ in 0..30 {
            self.pass(BOUND_MS / 4).await;
        }
        for process in 0..PROCESSES {
            assert!(self.processes[process].keys.health().is_used, "{:?}", self.processes[process].keys.health());
            for key in 0..KEYS {
                self.step += 1;
                self.ask(process, key, false, true);
                settle().await;
                let found = self.callers.pop().unwrap().found.lock().unwrap().take().unwrap().unwrap();
                let (key_seen, ..) = seen(found.as_ref(), &self.world);
                assert_eq!(Some(&key_seen), self.keys[key].now(), "of process {process}");
            }
        }
    }
}

fn turn(gate: &Gate, way: Way) {
    match way {
        Way::Open => gate.open(),
        Way::Held => gate.hold(),
        Way::Failing => gate.fail(),
    }
}

fn seen(found: Option<&KeyRecord>, world: &World) -> Seen {
    let Some(record) = found else { return ("unknown".to_owned(), None, None) };
    let version = || record.principal().scopes().join(" ");
    match record.status(world.clock.now()) {
        KeyStatus::Revoked => ("revoked".to_owned(), None, None),
        KeyStatus::OrganizationSuspended => (version(), None, Some(true)),
        KeyStatus::AccountSuspended => (version(), Some(true), Some(false)),
        _ => (version(), Some(false), Some(false)),
    }
}
