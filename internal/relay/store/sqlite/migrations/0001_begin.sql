CREATE TABLE accounts (
  id        INTEGER PRIMARY KEY,
  name      TEXT    NOT NULL UNIQUE,
  key       TEXT    NOT NULL UNIQUE,
  created_s INTEGER NOT NULL
) STRICT;

CREATE TABLE channels (
  id          INTEGER PRIMARY KEY,
  owner       INTEGER NOT NULL REFERENCES accounts (id),
  name        TEXT    NOT NULL,
  description TEXT    NOT NULL,
  latitude    TEXT    NOT NULL,
  longitude   TEXT    NOT NULL,
  elevation   TEXT    NOT NULL,
  label1      TEXT    NOT NULL,
  label2      TEXT    NOT NULL,
  label3      TEXT    NOT NULL,
  label4      TEXT    NOT NULL,
  label5      TEXT    NOT NULL,
  label6      TEXT    NOT NULL,
  label7      TEXT    NOT NULL,
  label8      TEXT    NOT NULL,
  metadata    TEXT    NOT NULL,
  url         TEXT    NOT NULL,
  tags        TEXT    NOT NULL, -- joined by line feeds
  public      INTEGER NOT NULL, -- 0 or 1
  created_s   INTEGER NOT NULL,
  updated_s   INTEGER NOT NULL
) STRICT;

CREATE INDEX channels_by_owner ON channels (owner);

CREATE TABLE read_keys (
  id      INTEGER PRIMARY KEY, -- their order
  channel INTEGER NOT NULL REFERENCES channels (id),
  key     TEXT    NOT NULL UNIQUE
) STRICT;

CREATE INDEX read_keys_by_channel ON read_keys (channel);

-- What an update changes stands apart from the settings, so that many channels' rows share a page.
CREATE TABLE states (
  channel    INTEGER PRIMARY KEY REFERENCES channels (id),
  write_key  TEXT    NOT NULL UNIQUE,
  settings   INTEGER NOT NULL, -- another number after each change of settings or keys
  generation INTEGER NOT NULL, -- names the feed; a clear begins a new one
  last       INTEGER NOT NULL, -- number of the newest entry
  last1      INTEGER NOT NULL, -- and of the newest whose field1 is not null
  last2      INTEGER NOT NULL,
  last3      INTEGER NOT NULL,
  last4      INTEGER NOT NULL,
  last5      INTEGER NOT NULL,
  last6      INTEGER NOT NULL,
  last7      INTEGER NOT NULL,
  last8      INTEGER NOT NULL,
  newest_s   INTEGER NOT NULL, -- latest created_s of the feed
  unordered  INTEGER NOT NULL, -- number of the first entry that is older than one before it; 0: none
  update_ms  INTEGER NOT NULL, -- when an update was last accepted; 0: never
  bulk_ms    INTEGER NOT NULL  -- and a bulk call
) STRICT;

-- Entries lie in order of arrival: appending is all that a write does to the table, however many channels are written.
-- The other way is to keep a channel's together (WITHOUT ROWID, or a rowid of generation and number). Measured with 64
-- channels that are written in turn, a commit of 32 updates writes 71 pages then, not 37, and with eight values each
-- 116, not 49; without rowids such long values also double the file. It would make the first read of 8,000 rows quicker,
-- which is the one that does not come from memory: with the file known to the system 0.01 s, not 0.025 s, and with all
-- of it still on the disk 0.07 s, not 0.7 s. For a channel that is written alone both are 0.015 s.
CREATE TABLE entries (
  generation INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  created_s  INTEGER NOT NULL,
  unordered  INTEGER NOT NULL, -- 1 from the number states.unordered on
  field1     TEXT,
  field2     TEXT,
  field3     TEXT,
  field4     TEXT,
  field5     TEXT,
  field6     TEXT,
  field7     TEXT,
  field8     TEXT,
  status     TEXT,
  latitude   TEXT,
  longitude  TEXT,
  elevation  TEXT
) STRICT;

CREATE UNIQUE INDEX entries_by_number ON entries (generation, number);

CREATE INDEX entries_by_time ON entries (generation, created_s, number) WHERE unordered = 1;

-- Generations that no channel has any more, and whose entries are still to be removed.
CREATE TABLE abandoned (
  generation INTEGER PRIMARY KEY
) STRICT;

-- One row: the number given out last, for states.settings and states.generation.
CREATE TABLE counter (
  value INTEGER NOT NULL
) STRICT;

INSERT INTO counter (value) VALUES (0);
