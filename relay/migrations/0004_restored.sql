-- One when a new life has begun since the account was made: lists of it may be missing here that its devices know.
ALTER TABLE account ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;
