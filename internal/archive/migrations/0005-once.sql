-- What somebody calls a message of ours that is to be sent once: whoever asks for it again is told of that one.

CREATE TABLE once (
  name   BLOB PRIMARY KEY, -- SHA-256 of what they call it
  body   BLOB    NOT NULL, -- id of a key of the room, and a hash under that key of what it says
  author BLOB    NOT NULL, -- the public key of ours that has signed it; empty: a text
  number INTEGER NOT NULL,
  at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX once_by_own ON once (author, number);
CREATE INDEX once_by_age ON once (at_ms);
