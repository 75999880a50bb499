-- Messages stand in the order of their places and fields.
DROP INDEX messages_by_place;
CREATE INDEX messages_by_place ON messages (place, field);
