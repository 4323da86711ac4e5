-- Version 3: limits that several processes share.
-- A bucket is replaced as a whole: one process reads it, decides, and writes if nobody has written since. UNLOGGED: nothing is
-- written to the log for the disk and for replicas, and a crash of the server empties the table.
CREATE UNLOGGED TABLE {schema}.limit_buckets (
    -- A digest.
    bucket bytea PRIMARY KEY,
    state text COLLATE "C" NOT NULL,
    -- When the bucket is full again, rounded up to five minutes: most updates change no column of an index.
    expires timestamptz NOT NULL
) WITH (fillfactor = 50); -- with room on its page, an update touches no index

CREATE INDEX limit_buckets_expires ON {schema}.limit_buckets (expires);

INSERT INTO {schema}.schema_version (version, compatible_with) VALUES (3, 1);
