-- A relay's database. One row of `relay`; per account its device list and where its log stands; per entry the cell's id
-- and the chain's head, which stay, and the sealed bytes, which a purge takes away.
--
-- `place` is account * 2^40 + cursor: the entries of one account lie together in the order of their cursors, in the
-- table itself, so that reading on from a cursor is one walk.

CREATE TABLE relay (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation BLOB    NOT NULL CHECK (length(generation) = 16)
) STRICT;

CREATE TABLE account (
    id             INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4194303),
    handle         BLOB    NOT NULL UNIQUE CHECK (length(handle) = 16),
    public         BLOB    NOT NULL CHECK (length(public) = 32),
    list           BLOB    NOT NULL,
    list_signature BLOB    NOT NULL CHECK (length(list_signature) = 64),
    list_version   INTEGER NOT NULL,
    cursor         INTEGER NOT NULL,
    head           BLOB    NOT NULL CHECK (length(head) = 32),
    used_bytes     INTEGER NOT NULL
) STRICT;

CREATE TABLE removed (
    number  INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device  BLOB    NOT NULL CHECK (length(device) = 32),
    UNIQUE (account, device)
) STRICT;

CREATE TABLE entry (
    place   INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    cell_id BLOB    NOT NULL CHECK (length(cell_id) = 32),
    head    BLOB    NOT NULL CHECK (length(head) = 32),
    cell    BLOB
) STRICT;

CREATE UNIQUE INDEX entry_by_id ON entry (account, cell_id);
