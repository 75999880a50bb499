-- Messages stand in the order of their places and fields.
DROP INDEX messages_by_place;
CREATE INDEX messages_by_place ON messages (place, field);

-- Of a record, the key that its cells were sealed with, and where each of them stands.
ALTER TABLE messages ADD COLUMN key BLOB NOT NULL DEFAULT x'';
ALTER TABLE messages ADD COLUMN cells BLOB NOT NULL DEFAULT x'';
DROP TABLE parts;

-- Groups with chains that were not tried yet.
ALTER TABLE groups ADD COLUMN untried INTEGER NOT NULL DEFAULT 0;
CREATE INDEX groups_untried ON groups (id) WHERE untried = 1;

-- A nickname is pinned under two forms, and a line keeps the one that it was written with.
ALTER TABLE authors DROP COLUMN person;
ALTER TABLE authors ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0; -- how many nicknames
ALTER TABLE messages ADD COLUMN nick TEXT NOT NULL DEFAULT '';
ALTER TABLE pins RENAME COLUMN folded TO form;

-- What an author says of another key that belongs to a device of theirs.
CREATE TABLE devices (
  author  BLOB    NOT NULL,
  device  BLOB    NOT NULL,
  number  INTEGER NOT NULL, -- the highest of a record about that
  claims  INTEGER NOT NULL, -- 0 or 1: that record withdraws, or claims
  refuses INTEGER NOT NULL, -- 1: some record has withdrawn
  PRIMARY KEY (author, device)
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_by_device ON devices (device);

-- Records that say that the room goes on with another key, and the id of that key.
CREATE TABLE moves (
  message INTEGER PRIMARY KEY REFERENCES messages (id),
  named   BLOB NOT NULL
) STRICT;

CREATE INDEX moves_by_key ON moves (named);
