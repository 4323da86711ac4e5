//! The tables of sessions and of signing keys. They are there also in a build without tokens, because processes may share a file.

/// A part of version 2 of the schema.
macro_rules! tables {
    () => {
        "
CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    subject TEXT NOT NULL,
    account TEXT,
    key_id TEXT,
    granted TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    replaced TEXT NOT NULL,
    ended_at INTEGER,
    ended_because TEXT
) STRICT;
CREATE INDEX sessions_of_subject ON sessions (subject, created_at, id);
CREATE INDEX sessions_of_account ON sessions (account, created_at, id) WHERE account IS NOT NULL;
CREATE INDEX sessions_of_key ON sessions (key_id, created_at, id) WHERE key_id IS NOT NULL;
CREATE INDEX sessions_by_creation ON sessions (created_at, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE denied_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX denied_tokens_by_time ON denied_tokens (until);

CREATE TABLE session_cut_offs (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_cut_offs_by_time ON session_cut_offs (at);

CREATE TABLE signing_keys (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    public TEXT NOT NULL,
    sealed BLOB NOT NULL,
    signs_from INTEGER NOT NULL,
    after TEXT
) STRICT;
"
    };
}

pub(super) use tables;

/// Removes sessions of an account. The arguments are the account and the largest number of rows.
pub(super) const ERASE: [&str; 1] =
    ["DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE account = ?1 LIMIT ?2)"];
