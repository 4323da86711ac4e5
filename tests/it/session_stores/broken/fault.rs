//! What can be wrong with a store.

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    None,
    /// A member of the grant is not kept.
    Member(&'static str),
    /// Times are kept in milliseconds.
    Milliseconds,
    /// A generation has 31 bits.
    Narrow,
    /// Sessions are created without their end.
    CreatesLive,
    /// A second session with the same id is no error.
    Twice,
    /// The case of an id does not matter.
    Case,
    /// A text ends at its first NUL, in lists.
    Cut,
    /// Any higher generation replaces a session.
    Skips,
    /// The same generation replaces a session again.
    Again,
    /// A session that has ended is said to be replaced.
    ReplacesEnded,
    /// A session that is replaced is replaced as a whole.
    ReplacesAll,
    /// A rotation leaves a column as it was.
    Keeps(Column),
    /// It reads, lets others run, and writes.
    Racy,
    /// It writes in two steps.
    Torn,
    /// It looks whether a session has ended, lets others run, and writes.
    Revives,
    /// It looks for the id, lets others run, and writes.
    RacyCreate,
    /// A cut-off ends sessions that nobody has replaced meanwhile.
    CutsOld,
    /// A cut-off of everyone ends each session.
    EndsEveryone,
    /// It reads a cut-off, lets others run, and writes.
    RacyCutOff,
    /// The earlier one of two cut-offs counts.
    EarlierCutOff,
    /// A session that has ended ends again.
    EndsAgain,
    /// Sessions that are not there end.
    EndsUnknown,
    /// All sessions are logged out.
    OneReason,
    /// A cut-off ends no session.
    KeepsSessions,
    /// A cut-off is not kept.
    KeepsNoTime,
    /// The last cut-off is kept.
    LastCutOff,
    /// The time of the call is kept, although a session is newer.
    IgnoresAhead,
    /// The newest creation of all subjects is kept.
    NewestOfAll,
    /// A cut-off of a subject is one of everyone.
    CutsEveryone,
    /// A cut-off of everyone is one of a subject without a name.
    CutsNoName,
    /// No token is denied.
    Admits,
    /// The first time of a denied token is kept.
    FirstDenial,
    /// A denied token is also a denied session.
    DeniesSessions,
    /// A look finds no session.
    NoSession,
    /// A look finds ended sessions as live.
    Live,
    /// A look has the last use of a session as its creation.
    Created,
    /// A look finds no key.
    NoKey,
    /// A look finds keys of suspended accounts as active.
    ActiveKey,
    /// A deleted key is none.
    DeletedKey,
    /// Suspended holders are not looked for.
    NoHolder,
    /// Of the organisations, the first one counts.
    FirstHolder,
    /// An account is looked for among organisations too.
    AnyHolder,
    /// Lists begin with the oldest.
    OldestFirst,
    /// Lists have no end.
    Endless,
    /// Lists leave out what has ended.
    OnlyLive,
    /// Lists are selected by the subject only, if there is one.
    OneSelection,
    /// Nothing is forgotten.
    Remembers,
    /// What is to be kept is forgotten too.
    Early,
    /// Everything is forgotten at once.
    AllAtOnce,
    /// Cut-offs are forgotten with the sessions.
    OneTime,
    /// A cut-off is forgotten although a session is void only because of it.
    ForgetsNeeded,
    /// Half of what is forgotten is counted.
    Miscounts,
    /// Sessions of an erased account stay.
    ErasedStay,
    /// Cut-offs go with an erased account.
    ErasedCutOffs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Column {
    Digest,
    Expiry,
    Use,
    Replaced,
}

impl Fault {
    /// All faults.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let members =
            ["organizations", "scopes", "roles", "plan", "limits", "first_key", "hint", "client", "actor", "proof_key"];
        let columns = [Column::Digest, Column::Expiry, Column::Use, Column::Replaced];
        members.map(Self::Member).into_iter().chain(columns.map(Self::Keeps)).chain(OTHERS)
    }
}

const OTHERS: [Fault; 52] = [
    Fault::Milliseconds,
    Fault::Narrow,
    Fault::CreatesLive,
    Fault::Twice,
    Fault::Case,
    Fault::Cut,
    Fault::Skips,
    Fault::Again,
    Fault::ReplacesEnded,
    Fault::ReplacesAll,
    Fault::Racy,
    Fault::Torn,
    Fault::EndsAgain,
    Fault::EndsUnknown,
    Fault::OneReason,
    Fault::KeepsSessions,
    Fault::KeepsNoTime,
    Fault::LastCutOff,
    Fault::IgnoresAhead,
    Fault::NewestOfAll,
    Fault::CutsEveryone,
    Fault::CutsNoName,
    Fault::Admits,
    Fault::FirstDenial,
    Fault::DeniesSessions,
    Fault::NoSession,
    Fault::Live,
    Fault::Created,
    Fault::NoKey,
    Fault::ActiveKey,
    Fault::DeletedKey,
    Fault::NoHolder,
    Fault::FirstHolder,
    Fault::AnyHolder,
    Fault::OldestFirst,
    Fault::Endless,
    Fault::OnlyLive,
    Fault::OneSelection,
    Fault::Remembers,
    Fault::Early,
    Fault::AllAtOnce,
    Fault::OneTime,
    Fault::ForgetsNeeded,
    Fault::Miscounts,
    Fault::ErasedStay,
    Fault::ErasedCutOffs,
    Fault::Revives,
    Fault::RacyCreate,
    Fault::CutsOld,
    Fault::RacyCutOff,
    Fault::EndsEveryone,
    Fault::EarlierCutOff,
];
