-- What a key or a token opens. The key itself is not here: sha256 is its hash.
CREATE TABLE grants (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	sha256   BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
	token    INTEGER NOT NULL, -- 1: a bearer token; 0: a key of the ThingSpeak doors
	room     TEXT NOT NULL,    -- '' is every room
	channel  INTEGER NOT NULL, -- 0 with every room
	scopes   TEXT NOT NULL,    -- with commas between
	wait_ms  INTEGER NOT NULL,
	made_s   INTEGER NOT NULL  -- seconds since 1970
) STRICT;

-- The readings of a room, numbered from 1. An old one keeps its row without what it says, so that its number stays.
CREATE TABLE readings (
	room    TEXT NOT NULL,
	number  INTEGER NOT NULL,
	dated_s INTEGER NOT NULL, -- its date, seconds since 1970
	sealed  TEXT,             -- a token of the room's key that holds it
	handed  INTEGER NOT NULL DEFAULT 0, -- 1: it is in the room's outbox, or was
	PRIMARY KEY (room, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting ON readings (room, number) WHERE handed = 0;
