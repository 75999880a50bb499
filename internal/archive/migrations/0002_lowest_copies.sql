-- Of each token that a key has opened one copy is kept, the one that stands lowest; of other tokens, only the ranges of
-- their entries. All that was learnt from the tokens is learnt anew from those that are there, with the keys: as long as
-- room.reread is 1 that is still to be done. Pins, authors and findings told are then taken over as Room.Reread says.

ALTER TABLE room ADD COLUMN reread INTEGER NOT NULL DEFAULT 0; -- 0 or 1
ALTER TABLE room ADD COLUMN let_go INTEGER NOT NULL DEFAULT 0; -- place up to which cells of no record were let go of
ALTER TABLE room ADD COLUMN full_used INTEGER NOT NULL DEFAULT 0; -- bytes in use when messages alone filled it; 0: they do not
ALTER TABLE room ADD COLUMN full_size INTEGER NOT NULL DEFAULT 0; -- bytes that it might have then
UPDATE room SET reread = 1 WHERE EXISTS (SELECT 1 FROM entries);

DROP INDEX entries_unopened;
ALTER TABLE entries DROP COLUMN unopened;
DELETE FROM macs;

CREATE TABLE ranges (
  why   INTEGER NOT NULL, -- 1: a token that no key opens, 2: one that stands lower as well, 3: 1, and a key has come since
  first INTEGER NOT NULL, -- place
  last  INTEGER NOT NULL,
  PRIMARY KEY (why, first)
) STRICT, WITHOUT ROWID;

-- Entries as above, with tokens that no key has opened and that cannot be read again: only the version before kept such.
CREATE TABLE unopened (
  place    INTEGER PRIMARY KEY,
  posted_s INTEGER NOT NULL,
  tokens   BLOB    NOT NULL,
  wiped    INTEGER NOT NULL
) STRICT;

-- The messages of before, by what they are: they get their ids again, which marks name.
CREATE TABLE earlier (
  id     INTEGER PRIMARY KEY,
  place  INTEGER NOT NULL,
  field  INTEGER NOT NULL,
  author BLOB    NOT NULL, -- empty: nobody has signed it
  number INTEGER NOT NULL,
  hash   BLOB    NOT NULL
) STRICT;

INSERT INTO earlier (id, place, field, author, number, hash)
  SELECT m.id, m.place, m.field, ifnull(a.key, x''), m.number, m.hash
  FROM messages AS m LEFT JOIN authors AS a ON a.id = m.author;

CREATE INDEX earlier_by_hash ON earlier (hash, place, field);

DELETE FROM messages;
ALTER TABLE messages ADD COLUMN key BLOB NOT NULL DEFAULT x''; -- the key that its cells were sealed with
ALTER TABLE messages ADD COLUMN cells BLOB NOT NULL DEFAULT x''; -- where each of them stands
ALTER TABLE messages ADD COLUMN nick TEXT NOT NULL DEFAULT ''; -- that it was written with
DROP INDEX messages_by_place;
CREATE INDEX messages_by_place ON messages (place, field);

DROP TABLE parts;
DELETE FROM claims;
ALTER TABLE claims ADD COLUMN field INTEGER NOT NULL DEFAULT 0; -- where, at its place, the record stands that says so
ALTER TABLE claims ADD COLUMN below INTEGER NOT NULL DEFAULT 0; -- 1: it is true, but what it names stands below it
DROP INDEX claims_doubted;
CREATE INDEX claims_waiting ON claims (tag) WHERE doubted = 1 OR below = 1;
DELETE FROM groups;
DELETE FROM pending;

DROP INDEX groups_arriving;
CREATE INDEX groups_arriving ON groups (tag) WHERE state = 0;

-- Groups with chains that were not tried yet.
ALTER TABLE groups ADD COLUMN untried INTEGER NOT NULL DEFAULT 0; -- 0 or 1
CREATE INDEX groups_untried ON groups (id) WHERE untried = 1;

ALTER TABLE told ADD COLUMN last INTEGER NOT NULL DEFAULT 0; -- the highest number that the finding is about

-- A nickname is pinned under two forms.
ALTER TABLE authors DROP COLUMN person;
ALTER TABLE authors ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0; -- how many nicknames
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
