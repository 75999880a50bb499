-- What is kept of relay.State.Back and LastDate, as relay.State.Kept returns it. A relay of the schema
-- before leaves them as they are, and so does this step: see relay.State.Restore.
ALTER TABLE states
  ADD COLUMN back    BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN last_s  BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN back_at BIGINT NOT NULL DEFAULT 0;
