-- Version 2: the usage of keys, and calendar budgets.
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

INSERT INTO {schema}.schema_version (version, compatible_with) VALUES (2, 1);
