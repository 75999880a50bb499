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
