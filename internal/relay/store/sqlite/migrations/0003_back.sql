-- What is kept of relay.State.Back and LastDate, as relay.State.Kept returns it. A program of the schema
-- before leaves them as they are, and so does this step: see relay.State.Restore.
ALTER TABLE states ADD COLUMN back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE states ADD COLUMN last_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE states ADD COLUMN back_at INTEGER NOT NULL DEFAULT 0;
