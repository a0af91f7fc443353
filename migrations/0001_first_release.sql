-- The schema of the first release. A database that it was applied to before there were migrations has all of this.

CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY,
  email TEXT UNIQUE,
  password_hash TEXT,
  roles TEXT NOT NULL DEFAULT '[]',
  scopes TEXT NOT NULL DEFAULT '[]',
  claims TEXT NOT NULL DEFAULT '{}',
  token_version INTEGER NOT NULL,
  published_version INTEGER,
  settled_version INTEGER,
  session_epoch INTEGER NOT NULL DEFAULT 0,
  disabled_at INTEGER,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

-- What the cron looks for: never confirmed, or confirmed while an older put could still come last.
CREATE INDEX IF NOT EXISTS users_unpublished ON users (changed_at, id) WHERE published_version < token_version;
CREATE INDEX IF NOT EXISTS users_unsettled ON users (changed_at)
  WHERE published_version >= token_version AND (settled_version IS NULL OR settled_version < token_version);

-- What a tick looks for: whoever changed lately.
CREATE INDEX IF NOT EXISTS users_recent ON users (changed_at);

CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL DEFAULT 'gatehouse',
  session_epoch INTEGER NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1,
  previous_generation INTEGER,
  successor_presented INTEGER NOT NULL DEFAULT 0,
  rotated_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  auth_time INTEGER NOT NULL,
  amr TEXT NOT NULL DEFAULT '[]',
  provider TEXT,
  provider_session TEXT,
  user_agent TEXT,
  address TEXT,
  ended_at INTEGER,
  end_reason TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_id, created_at);

-- Guesses at an account: one row an address, and one for the account as a whole (address '').
CREATE TABLE IF NOT EXISTS sign_in_attempts (
  account TEXT NOT NULL,
  address TEXT NOT NULL,
  failures INTEGER NOT NULL,
  blocked_until INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS sign_in_attempts_by_age ON sign_in_attempts (failed_at);
