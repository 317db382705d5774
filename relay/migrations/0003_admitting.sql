-- What whoever runs the relay decides: invitations, room for one account, accounts that are closed. And what the mailbox
-- mode needs: how far each device has come, and on which day a cell came.
--
-- Of an invitation only its hash is kept, and not who used it: an account is not tied to the person who was invited.

CREATE TABLE invitation (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    note       TEXT    NOT NULL,
    expires    INTEGER,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    used       INTEGER NOT NULL
) STRICT;

-- Bytes that this account may hold, where it is not what all may; null when it is.
ALTER TABLE account ADD COLUMN quota_bytes INTEGER;

-- One when whoever runs the relay has closed it. It is answered as if it were not there.
ALTER TABLE account ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;

-- The last cursor up to which the mailbox mode has forgotten every cell.
ALTER TABLE account ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;

-- Days since 1970; null outside of the mailbox mode, which alone needs it.
ALTER TABLE entry ADD COLUMN day INTEGER;

CREATE TABLE delivered (
    account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device  BLOB    NOT NULL CHECK (length(device) = 32),
    cursor  INTEGER NOT NULL,
    PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;
