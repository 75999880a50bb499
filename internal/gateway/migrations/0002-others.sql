-- What others have written in a room is numbered among the readings.
ALTER TABLE readings ADD COLUMN source BLOB; -- what it is in the room; NULL for what was taken here and was not seen there yet
ALTER TABLE readings ADD COLUMN author BLOB; -- the public key that has signed it, empty for nobody; NULL for what was taken here

CREATE UNIQUE INDEX readings_by_source ON readings (room, source) WHERE source IS NOT NULL;

-- This home, among others that may have served the same rooms.
CREATE TABLE home (name TEXT NOT NULL) STRICT;
INSERT INTO home (name) VALUES (lower(hex(randomblob(8))));
