-- The first layout. Everything that could tell anything is sealed with the key of the store; what stays in the open is
-- how many rows there are, how large each is, and the numbers that rows are found by. docs/storage.md says more.

-- What is true of the whole file: the fingerprint of the key that opens it.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- History, as blocks of records. Later blocks have greater numbers.
CREATE TABLE blocks (
    n      INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;

-- Cells that wait for a remote's acknowledgement, in the order in which they are sent.
CREATE TABLE queue (
    remote INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (remote, n)
) STRICT;

-- Everything else, by space. The key is a keyed hash; the true one is sealed with the value.
CREATE TABLE rows (
    space  INTEGER NOT NULL,
    key    BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (space, key)
) STRICT;
