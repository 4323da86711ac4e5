//! Arbitrary interleavings of lookups, changes, announcements, heartbeats and failures. Each answer is compared with what it may be.

mod history;
mod sim;

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, prop_oneof},
    proptest,
};

use self::sim::Sim;

/// The processes: two with a lease, and one whose cache is bounded by time.
const PROCESSES: usize = 3;
/// Only these announce what they change, so only these make changes.
const LEASED: usize = 2;
const KEYS: usize = 2;

/// Numbers select one of those that there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Begins a lookup, which the store holds.
    Ask {
        process: usize,
        key: usize,
    },
    AskFresh {
        process: usize,
        key: usize,
    },
    /// A lookup that the store answers at once.
    AskNow {
        process: usize,
        key: usize,
    },
    /// The store reads for a lookup that it holds.
    Read(usize),
    Answer(usize),
    Fail(usize),
    /// A caller goes away.
    Leave(usize),
    Change {
        process: usize,
        what: What,
    },
    /// The announcements of a process fail, wait or pass.
    Announcing(usize, Way),
    /// An announcement arrives.
    Deliver(usize),
    /// The answer to a heartbeat arrives.
    Beat(usize),
    /// The time of a quarter of the bound passes, and the heartbeat is answered.
    WaitAndBeat(usize),
    Pass(u64),
    Lose(usize),
    /// Whether a process can connect.
    Connecting(usize, Way),
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Creates the key, and changes it if it exists.
    Key(usize),
    Revoke(usize),
    Account,
    Organization,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Open,
    Held,
    Failing,
}

fn step() -> impl Strategy<Value = Step> {
    let (process, key, any) = (0..PROCESSES, 0..KEYS, 0..1_000_usize);
    let at = || (0..PROCESSES, 0..KEYS);
    let way = || prop_oneof![3 => Just(Way::Open), 1 => Just(Way::Held), 1 => Just(Way::Failing)];
    let what = prop_oneof![
        6 => key.clone().prop_map(What::Key),
        2 => key.prop_map(What::Revoke),
        2 => Just(What::Account),
        1 => Just(What::Organization),
    ];
    let time = prop_oneof![Just(1_u64), Just(50), Just(100), Just(150), Just(299), Just(399), Just(400), Just(1_500)];
    prop_oneof![
        6 => at().prop_map(|(process, key)| Step::Ask { process, key }),
        1 => at().prop_map(|(process, key)| Step::AskFresh { process, key }),
        8 => at().prop_map(|(process, key)| Step::AskNow { process, key }),
        4 => any.clone().prop_map(Step::Read),
        4 => any.clone().prop_map(Step::Answer),
        1 => any.clone().prop_map(Step::Fail),
        1 => any.prop_map(Step::Leave),
        5 => (0..LEASED, what).prop_map(|(process, what)| Step::Change { process, what }),
        1 => (process.clone(), way()).prop_map(|(process, way)| Step::Announcing(process, way)),
        2 => process.clone().prop_map(Step::Deliver),
        5 => process.clone().prop_map(Step::Beat),
        3 => process.clone().prop_map(Step::WaitAndBeat),
        5 => time.prop_map(Step::Pass),
        1 => process.clone().prop_map(Step::Lose),
        1 => (process, way()).prop_map(|(process, way)| Step::Connecting(process, way)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r085_r093_no_answer_is_older_than_it_may_be(steps in vec(step(), 1..120)) {
        Sim::run(&steps);
    }
}
