-- Scopes of sessions, and administrators.

-- What the sign-in asked for, as a JSON array; NULL: nothing, and the session has every scope of its user but the gateway's.
ALTER TABLE sessions ADD COLUMN scopes TEXT;
UPDATE sessions SET scopes = '["gatehouse:admin"]' WHERE client_id = 'gatehouse-console' AND ended_at IS NULL;

-- Users who can administer, of whom the last is kept.
CREATE INDEX IF NOT EXISTS users_administrators ON users (id)
  WHERE disabled_at IS NULL AND instr(scopes, '"gatehouse:admin"') > 0;
