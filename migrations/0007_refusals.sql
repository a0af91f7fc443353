-- What bounds the refusals that the audit trail records.

-- Refusals of an hour, counted: for an account, an address block, and all (key ''). `leaves_out` is 1 where the last refusal
-- was left out by this counter; `event` is the audit event that counts what it leaves out.
CREATE TABLE IF NOT EXISTS refusals (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  since INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  left_out INTEGER NOT NULL,
  leaves_out INTEGER NOT NULL,
  event INTEGER,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS refusals_by_age ON refusals (since);
