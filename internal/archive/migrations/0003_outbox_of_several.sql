-- What one identity has signed may wait beside what another one did before it.

ALTER TABLE own RENAME TO own_before;

CREATE TABLE own (
  author    BLOB    NOT NULL, -- public key
  number    INTEGER NOT NULL,
  hash      BLOB    NOT NULL,
  kind      INTEGER NOT NULL,
  first     INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  queued_ms INTEGER NOT NULL,
  PRIMARY KEY (author, number)
) STRICT, WITHOUT ROWID;

INSERT INTO own (author, number, hash, kind, first, last, queued_ms)
  SELECT room.own, o.number, o.hash, o.kind, o.first, o.last, o.queued_ms FROM own_before AS o, room;

DROP TABLE own_before;
