-- A place is an entry of the feed: clears before it * 2^40 + entry number. Times are Unix milliseconds, 0 is never.

CREATE TABLE room ( -- one row
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  clears   INTEGER NOT NULL,
  position BLOB    NOT NULL,
  keys     BLOB    NOT NULL, -- ids, 16 bytes each
  own      BLOB    NOT NULL, -- public key; empty before the first use
  own_last INTEGER NOT NULL,
  own_hash BLOB    NOT NULL,
  seq      INTEGER NOT NULL, -- the highest of posts so far
  dates    TEXT    NOT NULL  -- JSON: the seconds that posts were dated with of late; empty: none
) STRICT;

INSERT INTO room (id, clears, position, keys, own, own_last, own_hash, seq, dates)
  VALUES (1, 0, x'', x'', x'', 0, x'', 0, '');

CREATE TABLE entries (
  place    INTEGER PRIMARY KEY,
  posted_s INTEGER NOT NULL,
  tokens   BLOB    NOT NULL, -- field (1 byte), length (2), token, …
  unopened INTEGER NOT NULL, -- 0 or 1
  wiped    INTEGER NOT NULL  -- 0 or 1
) STRICT;

CREATE INDEX entries_unopened ON entries (place) WHERE unopened = 1;

-- Tokens that a key has opened, by the first 16 bytes of their MAC, and where each stands first.
CREATE TABLE macs (
  mac   BLOB PRIMARY KEY,
  place INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE authors (
  id           INTEGER PRIMARY KEY,
  key          BLOB    NOT NULL UNIQUE,
  tag          BLOB    NOT NULL,
  nick         TEXT    NOT NULL,
  person       BLOB    NOT NULL, -- empty: stands for itself
  base         INTEGER NOT NULL,
  top          INTEGER NOT NULL,
  top_hash     BLOB    NOT NULL,
  gaps         TEXT    NOT NULL, -- JSON; empty: none
  waiting      INTEGER NOT NULL, -- 1: a gap that was not told
  named        INTEGER NOT NULL,
  named_at     INTEGER NOT NULL,
  saw_own      INTEGER NOT NULL,
  claims       INTEGER NOT NULL,
  verified_ms  INTEGER NOT NULL,
  forgotten_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX authors_by_tag ON authors (tag);
CREATE INDEX authors_waiting ON authors (id) WHERE waiting = 1;
CREATE INDEX authors_unnamed ON authors (named_at, key) WHERE top > named;
CREATE INDEX authors_who_saw ON authors (saw_own) WHERE saw_own > 0;

-- Verified records, and tokens with something else, in the order of their arrival.
CREATE TABLE messages (
  id       INTEGER PRIMARY KEY,
  place    INTEGER NOT NULL,
  field    INTEGER NOT NULL, -- 0 for records
  kind     INTEGER NOT NULL,
  author   INTEGER REFERENCES authors (id),
  number   INTEGER NOT NULL,
  hash     BLOB    NOT NULL,
  previous BLOB    NOT NULL
) STRICT;

CREATE INDEX messages_by_place ON messages (place);
CREATE UNIQUE INDEX messages_by_number ON messages (author, number, hash) WHERE author IS NOT NULL;

-- Entries, other than where it stands, that hold cells of a record.
CREATE TABLE parts (
  author INTEGER NOT NULL,
  number INTEGER NOT NULL,
  place  INTEGER NOT NULL,
  PRIMARY KEY (author, number, place)
) STRICT, WITHOUT ROWID;

-- What somebody's record says of another's that is not held like that.
CREATE TABLE claims (
  tag     BLOB    NOT NULL,
  number  INTEGER NOT NULL,
  hash    BLOB    NOT NULL,
  author  BLOB    NOT NULL, -- who says so, in the record with number said at that place
  said    INTEGER NOT NULL,
  place   INTEGER NOT NULL,
  doubted INTEGER NOT NULL, -- 0 or 1
  PRIMARY KEY (tag, number, hash, author)
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_doubted ON claims (tag) WHERE doubted = 1;

CREATE TABLE pins (
  folded TEXT PRIMARY KEY,
  key    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pins_by_key ON pins (key);

-- Cells that are not part of a record: which belong together, and where their tokens stand.
CREATE TABLE groups (
  id      INTEGER PRIMARY KEY,
  tag     BLOB    NOT NULL,
  number  INTEGER NOT NULL,
  parts   INTEGER NOT NULL,
  key     BLOB    NOT NULL,
  cells   INTEGER NOT NULL,
  sum     INTEGER NOT NULL,
  newest  INTEGER NOT NULL, -- place
  last_ms INTEGER NOT NULL,
  state   INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX groups_by_number ON groups (tag, number, parts, key);
CREATE INDEX groups_arriving ON groups (id) WHERE state = 0;

CREATE TABLE pending (
  place INTEGER NOT NULL,
  field INTEGER NOT NULL,
  grp   INTEGER NOT NULL,
  PRIMARY KEY (place, field)
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_by_group ON pending (grp);

-- Findings that were told and not taken back, and what was told and taken back in the order of its arrival.
CREATE TABLE told (
  id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id         INTEGER PRIMARY KEY,
  finding    TEXT    NOT NULL, -- JSON
  taken_back INTEGER NOT NULL  -- 0 or 1
) STRICT;

-- The outbox: entries to be posted, in order, and which record stands in which of them.
CREATE TABLE posts (
  seq      INTEGER PRIMARY KEY,
  fields   TEXT    NOT NULL, -- JSON: eight texts
  cells    INTEGER NOT NULL, -- set of fields, bit n-1 for field n
  state    INTEGER NOT NULL, -- 0 queued, 1 tried, 2 accepted, 3 unknown
  after    INTEGER NOT NULL, -- place
  place    INTEGER NOT NULL, -- where it was accepted
  dated_s  INTEGER NOT NULL -- its date in a bulk update; 0: none
) STRICT;

CREATE INDEX posts_open ON posts (seq) WHERE state <> 2;
CREATE INDEX posts_tried ON posts (seq) WHERE state IN (1, 3);

CREATE TABLE own (
  number    INTEGER PRIMARY KEY,
  hash      BLOB    NOT NULL,
  kind      INTEGER NOT NULL,
  first     INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  queued_ms INTEGER NOT NULL
) STRICT;

-- How far somebody has looked, by name.
CREATE TABLE marks (
  name    TEXT    PRIMARY KEY,
  message INTEGER NOT NULL,
  event   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
