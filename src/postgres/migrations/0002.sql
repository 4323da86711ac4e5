-- Version 2: the usage of keys, calendar budgets, alerts, sessions, signing keys, and what caches are told.
-- The sums by the hour, and by the day. Days are those of UTC.
CREATE TABLE {schema}.usage_hours (
    -- key, account, organization or strangers.
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    start timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (kind, id, start, outcome)
) WITH (fillfactor = 85); -- with room on its page, an update of count touches no index

CREATE INDEX usage_hours_start ON {schema}.usage_hours (start);

CREATE TABLE {schema}.usage_days (LIKE {schema}.usage_hours INCLUDING ALL) WITH (fillfactor = 85);

-- When, from where and with which program a key was used last.
CREATE TABLE {schema}.usage_last (
    key text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    address inet,
    client text
) WITH (fillfactor = 85);

CREATE INDEX usage_last_at ON {schema}.usage_last (at) WHERE address IS NOT NULL OR client IS NOT NULL;

-- The last refused requests of each key.
CREATE TABLE {schema}.usage_refusals (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    status smallint NOT NULL,
    reason text,
    method text,
    path text,
    request_id text,
    address inet
);

CREATE INDEX usage_refusals_key ON {schema}.usage_refusals (key, at DESC, seq DESC);
CREATE INDEX usage_refusals_at ON {schema}.usage_refusals (at);

-- The last batch of each process, so that none is added twice.
CREATE TABLE {schema}.usage_writers (
    writer text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    at timestamptz NOT NULL
);

-- The used requests of each period of a calendar budget.
CREATE TABLE {schema}.budgets (
    -- A digest.
    bucket bytea NOT NULL,
    -- day or month.
    unit text COLLATE "C" NOT NULL,
    time_zone text COLLATE "C" NOT NULL,
    -- Such as 202606 or 20260602.
    period integer NOT NULL,
    used bigint NOT NULL,
    -- The size of the last lease.
    granted bigint NOT NULL,
    PRIMARY KEY (bucket, unit, time_zone, period)
) WITH (fillfactor = 85);

CREATE INDEX budgets_period ON {schema}.budgets (unit, period);

-- Of what an account or an organisation wants to be alerted.
CREATE TABLE {schema}.alert_rules (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('account', 'organization')),
    id text COLLATE "C" NOT NULL,
    -- json and not jsonb: what was written is read back character by character.
    rules json NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE {schema}.alerts (
    id text COLLATE "C" PRIMARY KEY,
    -- Whose rule asked for it.
    holder_kind text COLLATE "C" NOT NULL CHECK (holder_kind IN ('account', 'organization')),
    holder_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    -- The key that it is about, unless several share what it is about.
    key text COLLATE "C",
    at timestamptz NOT NULL,
    details json NOT NULL,
    attempts integer NOT NULL,
    -- When it is delivered next; NULL if it was delivered, or given up.
    due_at timestamptz,
    delivered_at timestamptz
);

CREATE INDEX alerts_due_at ON {schema}.alerts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX alerts_holder ON {schema}.alerts (holder_kind, holder_id, at DESC, id DESC);
CREATE INDEX alerts_key ON {schema}.alerts (key) WHERE key IS NOT NULL;
CREATE INDEX alerts_at ON {schema}.alerts (at);

-- From which networks keys are used.
CREATE TABLE {schema}.alert_networks (
    -- The first key of a line of successors: they share their networks.
    key text COLLATE "C" NOT NULL,
    network text COLLATE "C" NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (key, network)
);

CREATE INDEX alert_networks_last_used_at ON {schema}.alert_networks (last_used_at);

-- Sessions: families of refresh tokens, of which only the last one may be used.
CREATE TABLE {schema}.sessions (
    id text COLLATE "C" PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    account text COLLATE "C",
    key_id text COLLATE "C",
    -- What the access tokens say. json and not jsonb: what was written is read back character by character.
    granted json NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    -- How often the refresh token was replaced.
    generation bigint NOT NULL,
    -- That of the refresh token.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- When the latest generations were replaced, in microseconds.
    replaced json NOT NULL,
    -- When and why it ended before its time.
    ended_at timestamptz,
    ended_because text
);

CREATE INDEX sessions_subject ON {schema}.sessions (subject, created_at DESC, id DESC);
CREATE INDEX sessions_account ON {schema}.sessions (account, created_at DESC, id DESC) WHERE account IS NOT NULL;
CREATE INDEX sessions_key ON {schema}.sessions (key_id, created_at DESC, id DESC) WHERE key_id IS NOT NULL;
CREATE INDEX sessions_created_at ON {schema}.sessions (created_at DESC, id DESC);
CREATE INDEX sessions_expires_at ON {schema}.sessions (expires_at);
CREATE INDEX sessions_ended_at ON {schema}.sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Access tokens that were revoked before they expire.
CREATE TABLE {schema}.denied_tokens (
    id text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL
);

CREATE INDEX denied_tokens_until ON {schema}.denied_tokens (until);

-- Tokens that were issued before are void.
CREATE TABLE {schema}.session_cut_offs (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('subject', 'everyone')),
    -- The subject, or nothing.
    id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX session_cut_offs_at ON {schema}.session_cut_offs (at);

-- The keys that sign tokens, of which each follows the one before.
CREATE TABLE {schema}.signing_keys (
    seq bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    algorithm text NOT NULL,
    public text NOT NULL,
    -- Encrypted with a key that is derived from a pepper, which is not in the database.
    sealed bytea NOT NULL,
    signs_from timestamptz NOT NULL,
    after text
);

-- How long caches of any process may use what they know. It has one row at most.
CREATE TABLE {schema}.cache_bound (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    micros bigint NOT NULL CHECK (micros > 0)
);

-- Tells the caches of all processes what has changed, when the transaction is committed. They are told no id, only two bytes of
-- a digest. A statement tells its argument: + is a new key, * is anything. PostgreSQL tells the same only once for each
-- transaction. What is written for each request tells nothing: a NOTIFY holds a lock of the whole server until it is committed.
CREATE FUNCTION {schema}.announce() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := TG_ARGV[0];
    changed record;
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        PERFORM pg_catalog.pg_notify('tower_auth', kind);
        RETURN NULL;
    END IF;
    IF kind = 'key' AND TG_OP = 'UPDATE' THEN
        -- The last use is of no interest, and neither is an update that changes nothing. A json has no other comparison.
        OLD.last_used_at := NEW.last_used_at;
        IF OLD OPERATOR(pg_catalog.*=) NEW THEN
            RETURN NULL;
        END IF;
        -- The new digest was one of no key.
        IF OLD.digest <> NEW.digest THEN
            PERFORM pg_catalog.pg_notify('tower_auth', '+');
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
    ELSE
        changed := NEW;
    END IF;
    IF kind = 'row' THEN
        kind := changed.kind;
        IF TG_OP = 'UPDATE' AND OLD.kind <> NEW.kind THEN
            kind := 'everyone';
        END IF;
    END IF;
    IF kind = 'everyone' OR TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
        PERFORM pg_catalog.pg_notify('tower_auth', '*');
        RETURN NULL;
    END IF;
    PERFORM pg_catalog.pg_notify('tower_auth', pg_catalog.left(pg_catalog.encode(
        pg_catalog.sha256(pg_catalog.convert_to(kind || ':' || changed.id, 'UTF8')), 'hex'), 4));
    RETURN NULL;
END $$;

CREATE TRIGGER announce_created AFTER INSERT ON {schema}.keys
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('+');
CREATE TRIGGER announce_changed AFTER UPDATE OR DELETE ON {schema}.keys
    FOR EACH ROW EXECUTE FUNCTION {schema}.announce('key');
CREATE TRIGGER announce_truncated AFTER TRUNCATE ON {schema}.keys
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('*');

CREATE TRIGGER announce_changed AFTER INSERT OR UPDATE OR DELETE ON {schema}.holders
    FOR EACH ROW EXECUTE FUNCTION {schema}.announce('row');
CREATE TRIGGER announce_truncated AFTER TRUNCATE ON {schema}.holders
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('*');

CREATE TRIGGER announce_changed AFTER UPDATE ON {schema}.sessions
    FOR EACH ROW WHEN ((OLD.id, OLD.created_at, OLD.ended_at) IS DISTINCT FROM (NEW.id, NEW.created_at, NEW.ended_at))
    EXECUTE FUNCTION {schema}.announce('session');
-- An access token lives for a day at most, also where that is longer than its session.
CREATE TRIGGER announce_removed AFTER DELETE ON {schema}.sessions
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND (OLD.expires_at > now() OR OLD.used_at > now() - interval '25 hours'))
    EXECUTE FUNCTION {schema}.announce('session');
CREATE TRIGGER announce_truncated AFTER TRUNCATE ON {schema}.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('*');

CREATE TRIGGER announce_changed AFTER INSERT OR UPDATE ON {schema}.denied_tokens
    FOR EACH ROW EXECUTE FUNCTION {schema}.announce('token');
CREATE TRIGGER announce_removed AFTER DELETE ON {schema}.denied_tokens
    FOR EACH ROW WHEN (OLD.until > now()) EXECUTE FUNCTION {schema}.announce('token');
CREATE TRIGGER announce_truncated AFTER TRUNCATE ON {schema}.denied_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('*');

CREATE TRIGGER announce_changed AFTER INSERT OR UPDATE OR DELETE ON {schema}.session_cut_offs
    FOR EACH ROW EXECUTE FUNCTION {schema}.announce('row');
CREATE TRIGGER announce_truncated AFTER TRUNCATE ON {schema}.session_cut_offs
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce('*');

-- Also what logical replication writes is told.
ALTER TABLE {schema}.keys ENABLE ALWAYS TRIGGER announce_created, ENABLE ALWAYS TRIGGER announce_changed,
    ENABLE ALWAYS TRIGGER announce_truncated;
ALTER TABLE {schema}.holders ENABLE ALWAYS TRIGGER announce_changed, ENABLE ALWAYS TRIGGER announce_truncated;
ALTER TABLE {schema}.sessions ENABLE ALWAYS TRIGGER announce_changed, ENABLE ALWAYS TRIGGER announce_removed,
    ENABLE ALWAYS TRIGGER announce_truncated;
ALTER TABLE {schema}.denied_tokens ENABLE ALWAYS TRIGGER announce_changed, ENABLE ALWAYS TRIGGER announce_removed,
    ENABLE ALWAYS TRIGGER announce_truncated;
ALTER TABLE {schema}.session_cut_offs ENABLE ALWAYS TRIGGER announce_changed, ENABLE ALWAYS TRIGGER announce_truncated;

INSERT INTO {schema}.schema_version (version, compatible_with) VALUES (2, 1);
