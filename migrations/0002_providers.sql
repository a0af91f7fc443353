-- Sign-in with OpenID providers.

ALTER TABLE sessions ADD COLUMN provider_subject TEXT;
ALTER TABLE sessions ADD COLUMN id_token_hint TEXT;

-- What a provider's logout token looks for, and the cron: ID tokens of sessions that nobody has used for long.
CREATE INDEX IF NOT EXISTS sessions_by_provider ON sessions (provider, provider_subject) WHERE provider IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_by_provider_session ON sessions (provider, provider_session)
  WHERE provider_session IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_by_hint ON sessions (last_seen_at) WHERE id_token_hint IS NOT NULL;

-- Who somebody is at a provider. Nobody is found by an e-mail.
CREATE TABLE IF NOT EXISTS identities (
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS identities_by_user ON identities (user_id);

-- Logout tokens that have done their work, as long as they could come again. No session opens on a word of before them.
CREATE TABLE IF NOT EXISTS logout_tokens (
  provider TEXT NOT NULL,
  jti TEXT NOT NULL,
  subject TEXT,
  provider_session TEXT,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (provider, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS logout_tokens_by_age ON logout_tokens (expires_at);
