-- From a new life on until the account's key has signed a list: what the relay has of the account may be older than what its
-- devices have, also its list.
ALTER TABLE account ADD COLUMN restored boolean NOT NULL DEFAULT false;
