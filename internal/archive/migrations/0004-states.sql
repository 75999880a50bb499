-- How far messages of our own have come, and who has seen them, stands among what was told, in one order.

ALTER TABLE events ADD COLUMN state INTEGER; -- as in posts, 4 seen, 5 dropped; NULL: a finding
ALTER TABLE events ADD COLUMN author BLOB NOT NULL DEFAULT x''; -- the public key of ours that has signed it; empty: a text
ALTER TABLE events ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN place INTEGER NOT NULL DEFAULT 0; -- where it was accepted
ALTER TABLE events ADD COLUMN seen_by BLOB NOT NULL DEFAULT x'';
ALTER TABLE events ADD COLUMN was_author BLOB NOT NULL DEFAULT x''; -- what it was before it was signed anew
ALTER TABLE events ADD COLUMN was_number INTEGER NOT NULL DEFAULT 0;

CREATE INDEX events_of_own ON events (author, seen_by, number) WHERE state IS NOT NULL;

-- Which of our messages stand in some posts is asked whenever one goes out.
CREATE INDEX own_by_post ON own (first);
