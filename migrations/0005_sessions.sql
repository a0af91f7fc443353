-- A session's credential that was replaced on purpose, known addresses, and indexes that a user's past does not lengthen.

-- When the credential was last replaced, and the lowest version of an access token of the session that still holds.
ALTER TABLE sessions ADD COLUMN replaced_at INTEGER;
ALTER TABLE sessions ADD COLUMN least_version INTEGER NOT NULL DEFAULT 0;

-- The ID token that is kept to sign out by, encrypted. Nothing is written to id_token_hint any more.
ALTER TABLE sessions ADD COLUMN id_token_sealed TEXT;
UPDATE sessions SET id_token_hint = NULL WHERE id_token_hint IS NOT NULL;
DROP INDEX IF EXISTS sessions_by_hint;
CREATE INDEX IF NOT EXISTS sessions_by_sealed_id_token ON sessions (last_seen_at) WHERE id_token_sealed IS NOT NULL;

-- What a new epoch ended has an end of its own.
UPDATE sessions SET ended_at = unixepoch(), end_reason = 'epoch'
  WHERE ended_at IS NULL AND session_epoch < (SELECT session_epoch FROM users WHERE users.id = sessions.user_id);

CREATE INDEX IF NOT EXISTS sessions_of_user ON sessions (user_id, ended_at, created_at);
DROP INDEX IF EXISTS sessions_by_user;
CREATE INDEX IF NOT EXISTS sessions_living_by_subject ON sessions (provider, provider_subject)
  WHERE provider IS NOT NULL AND ended_at IS NULL;
DROP INDEX IF EXISTS sessions_by_provider;
CREATE INDEX IF NOT EXISTS sessions_living_by_provider_session ON sessions (provider, provider_session)
  WHERE provider_session IS NOT NULL AND ended_at IS NULL;
DROP INDEX IF EXISTS sessions_by_provider_session;
CREATE INDEX IF NOT EXISTS logout_tokens_by_subject ON logout_tokens (provider, subject, issued_at);
CREATE INDEX IF NOT EXISTS logout_tokens_by_session ON logout_tokens (provider, provider_session, issued_at);

CREATE TABLE IF NOT EXISTS known_addresses (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS known_addresses_of_user ON known_addresses (user_id, seen_at);
CREATE INDEX IF NOT EXISTS known_addresses_by_age ON known_addresses (seen_at);
INSERT INTO known_addresses (user_id, address, seen_at)
  SELECT user_id, address, max(last_seen_at) FROM sessions WHERE address IS NOT NULL GROUP BY user_id, address
  ON CONFLICT (user_id, address) DO NOTHING;
