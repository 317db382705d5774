-- Devices that listed ones added behind the account's list: key and adder of each, 64 bytes, in order. Empty when the list
-- alone counts.

ALTER TABLE account ADD COLUMN added BLOB NOT NULL DEFAULT x'';
