-- Version 1. Text that is indexed has the collation "C": its indexes stay valid when the system's library of collations
-- changes.
CREATE TABLE {schema}.schema_version (
    version integer PRIMARY KEY,
    -- The lowest version that a program must know to use this schema.
    compatible_with integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.keys (
    -- The order of creation.
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    -- The version of the pepper of the digest; NULL is a plain SHA-256.
    pepper bigint,
    name text NOT NULL,
    hint text NOT NULL,
    account text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    -- The first one owns the key.
    organizations text[] COLLATE "C" NOT NULL,
    scopes text[] NOT NULL,
    roles text[] NOT NULL,
    plan text,
    -- json and not jsonb: what was written is read back character by character.
    limits json,
    environment text,
    restrictions json,
    metadata json,
    active boolean NOT NULL,
    paused boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    not_before timestamptz,
    expires_at timestamptz,
    -- In microseconds.
    lifetime bigint,
    last_used_at timestamptz,
    revoked_at timestamptz,
    deleted_at timestamptz,
    first_id text,
    predecessor text,
    successor text
) WITH (fillfactor = 85); -- with room on its page, an update of last_used_at touches no index

CREATE INDEX keys_account ON {schema}.keys (account, seq);
CREATE INDEX keys_organizations ON {schema}.keys USING gin (organizations);
CREATE INDEX keys_expires_at ON {schema}.keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX keys_deleted ON {schema}.keys (seq) WHERE deleted_at IS NOT NULL;

-- Suspended accounts and organisations.
CREATE TABLE {schema}.holders (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('account', 'organization')),
    id text COLLATE "C" NOT NULL,
    suspended_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The digests of removed keys, which can never be created again.
CREATE TABLE {schema}.tombstones (
    digest bytea PRIMARY KEY,
    -- The version of the pepper of the digest; NULL is a plain SHA-256.
    pepper bigint,
    -- Whether the key was not removed, but got another digest.
    moved boolean NOT NULL DEFAULT false,
    removed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text COLLATE "C" NOT NULL,
    action text NOT NULL,
    key text COLLATE "C",
    account text COLLATE "C",
    organization text COLLATE "C",
    address inet,
    request_id text,
    before json,
    after json
);

CREATE INDEX audit_key ON {schema}.audit (key, seq);
CREATE INDEX audit_account ON {schema}.audit (account, seq);
CREATE INDEX audit_organization ON {schema}.audit (organization, seq);
CREATE INDEX audit_actor ON {schema}.audit (actor, seq);
CREATE INDEX audit_at ON {schema}.audit (at);
CREATE INDEX audit_address ON {schema}.audit (at) WHERE address IS NOT NULL;

-- What a guard needs, and nothing else.
CREATE VIEW {schema}.verify AS
SELECT
    k.digest, k.id, k.pepper, k.hint, k.account, k.subject, k.organizations, k.scopes, k.roles, k.plan, k.limits,
    k.environment, k.restrictions, k.active, k.paused, k.created_at, k.not_before, k.expires_at, k.last_used_at,
    k.revoked_at, k.first_id,
    a.id IS NOT NULL AS account_suspended,
    o.id IS NOT NULL AS organization_suspended
FROM {schema}.keys k
LEFT JOIN {schema}.holders a ON a.kind = 'account' AND a.id = k.account
LEFT JOIN {schema}.holders o ON o.kind = 'organization' AND o.id = k.organizations[1];

INSERT INTO {schema}.schema_version (version, compatible_with) VALUES (1, 1);
