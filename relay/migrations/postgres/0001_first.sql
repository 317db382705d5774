-- A relay's database in PostgreSQL, for several relays at once. The same as in SQLite (`migrations/*.sql`), with what they
-- need beside it. Everything is in a schema of its own, so that it is never taken for somebody else's tables.
--
-- An account's row is its counter: whoever appends holds it locked until the commit, so that cursors are given in the
-- order in which they can be seen and no reader sees one before the last.

CREATE TABLE relay (
    one        boolean PRIMARY KEY CHECK (one),
    layout     integer NOT NULL,
    generation bytea   NOT NULL CHECK (octet_length(generation) = 16),
    -- The public halves of the keys by which devices know the relay, so that one with other keys never speaks for it.
    session    bytea   NOT NULL CHECK (octet_length(session) = 32),
    signer     bytea   NOT NULL CHECK (octet_length(signer) = 32)
);

CREATE TABLE account (
    id             bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    handle         bytea   NOT NULL UNIQUE CHECK (octet_length(handle) = 16),
    public         bytea   NOT NULL CHECK (octet_length(public) = 32),
    list           bytea   NOT NULL,
    list_signature bytea   NOT NULL CHECK (octet_length(list_signature) = 64),
    list_version   bigint  NOT NULL,
    added          bytea   NOT NULL DEFAULT '\x',
    cursor         bigint  NOT NULL DEFAULT 0,
    head           bytea   NOT NULL CHECK (octet_length(head) = 32),
    used_bytes     bigint  NOT NULL DEFAULT 0,
    quota_bytes    bigint,
    closed         boolean NOT NULL DEFAULT false,
    dropped        bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE TABLE removed (
    number  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account bigint NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device  bytea  NOT NULL CHECK (octet_length(device) = 32),
    UNIQUE (account, device)
);

CREATE TABLE delivered (
    account bigint NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device  bytea  NOT NULL CHECK (octet_length(device) = 32),
    cursor  bigint NOT NULL,
    PRIMARY KEY (account, device)
);

-- The cell is sealed, so compressing it would only cost time; what a purge leaves behind is cleared away soon, and not
-- only when a fifth of everything is gone.
CREATE TABLE entry (
    account bigint NOT NULL,
    cursor  bigint NOT NULL,
    cell_id bytea  NOT NULL CHECK (octet_length(cell_id) = 32),
    head    bytea  NOT NULL CHECK (octet_length(head) = 32),
    cell    bytea,
    day     integer,
    PRIMARY KEY (account, cursor)
) WITH (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);

ALTER TABLE entry ALTER COLUMN cell SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX entry_by_id ON entry (account, cell_id);

-- Accounts that are closed for good: their entries belong to nobody any more and go bit by bit.
CREATE TABLE leaving (
    account bigint PRIMARY KEY
);

CREATE TABLE invitation (
    number    bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    hash      bytea   NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    note      text    NOT NULL,
    expires   bigint,
    uses_left bigint  NOT NULL CHECK (uses_left >= 0),
    used      bigint  NOT NULL
);

-- Who is connected where: one row for each session that is in, of each relay. What a relay left that went without a word
-- does not count after a while and is swept by the others.
CREATE TABLE node (
    id   bigint      PRIMARY KEY,
    seen timestamptz NOT NULL
);

CREATE TABLE seat (
    node    bigint NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    session bigint NOT NULL,
    handle  bytea  NOT NULL,
    device  bytea  NOT NULL,
    -- Whether another session of the device takes its place.
    single  boolean NOT NULL,
    -- Whether the device is on the account's list, and so counts as present.
    listed  boolean NOT NULL,
    -- In which order they came, over all relays.
    taken   bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (node, session)
);

CREATE INDEX seat_by_handle ON seat (handle);
