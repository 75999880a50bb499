-- How fields of rooms are called here, for Home Assistant: nobody else is told.
CREATE TABLE fields (
	room    TEXT NOT NULL,
	field   INTEGER NOT NULL CHECK (field BETWEEN 1 AND 8),
	channel INTEGER NOT NULL,
	name    TEXT NOT NULL,
	unit    TEXT NOT NULL, -- '' is none, as with class
	class   TEXT NOT NULL,
	PRIMARY KEY (room, field)
) STRICT, WITHOUT ROWID;

-- The devices that somebody's broker was told of and keeps, so that they are taken back there one day.
CREATE TABLE announced (
	id   TEXT PRIMARY KEY,
	room TEXT NOT NULL
) STRICT, WITHOUT ROWID;
