-- The whole truth for a new database. Idempotent: applying it again changes nothing.
-- Times are unix seconds of D1's own clock, token versions are its milliseconds.

-- Wrangler's list of the migrations that a database has had. A new one has all of them; what it says of an older one stays.
CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO d1_migrations (name)
  SELECT value FROM json_each('["0001_first_release.sql", "0002_providers.sql", "0003_operations.sql", "0004_console.sql", "0005_sessions.sql", "0006_identities.sql", "0007_refusals.sql", "0008_scopes.sql", "0009_deletion.sql"]')
  WHERE NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'users')
    AND NOT EXISTS (SELECT 1 FROM d1_migrations);

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
  changed_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;

-- What the cron looks for: users who were deleted a day ago.
CREATE INDEX IF NOT EXISTS users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- What the cron looks for: never confirmed, or confirmed while an older put could still come last.
CREATE INDEX IF NOT EXISTS users_unpublished ON users (changed_at, id) WHERE published_version < token_version;
CREATE INDEX IF NOT EXISTS users_unsettled ON users (changed_at)
  WHERE published_version >= token_version AND (settled_version IS NULL OR settled_version < token_version);

-- What a tick looks for: whoever changed lately.
CREATE INDEX IF NOT EXISTS users_recent ON users (changed_at);

-- Users who can administer, of whom the last is kept.
CREATE INDEX IF NOT EXISTS users_administrators ON users (id)
  WHERE disabled_at IS NULL AND instr(scopes, '"gatehouse:admin"') > 0;

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
  provider_subject TEXT,
  provider_session TEXT,
  id_token_hint TEXT,
  user_agent TEXT,
  address TEXT,
  ended_at INTEGER,
  end_reason TEXT,
  replaced_at INTEGER,
  least_version INTEGER NOT NULL DEFAULT 0,
  id_token_sealed TEXT,
  scopes TEXT
) STRICT;

-- Those that have not ended come first, the oldest first; then the ended ones by their end.
CREATE INDEX IF NOT EXISTS sessions_of_user ON sessions (user_id, ended_at, created_at);

-- What the cron looks for: over, one way or another.
CREATE INDEX IF NOT EXISTS sessions_over ON sessions (coalesce(ended_at, expires_at));

-- What a provider's logout token looks for, and the cron: ID tokens of sessions that nobody has used for long.
CREATE INDEX IF NOT EXISTS sessions_living_by_subject ON sessions (provider, provider_subject)
  WHERE provider IS NOT NULL AND ended_at IS NULL;
CREATE INDEX IF NOT EXISTS sessions_living_by_provider_session ON sessions (provider, provider_session)
  WHERE provider_session IS NOT NULL AND ended_at IS NULL;
CREATE INDEX IF NOT EXISTS sessions_by_sealed_id_token ON sessions (last_seen_at) WHERE id_token_sealed IS NOT NULL;

-- Addresses from which a user has signed in: guesses of others never keep the user out there.
CREATE TABLE IF NOT EXISTS known_addresses (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS known_addresses_of_user ON known_addresses (user_id, seen_at);
CREATE INDEX IF NOT EXISTS known_addresses_by_age ON known_addresses (seen_at);

-- Who somebody is at a provider. Nobody is found by an e-mail.
CREATE TABLE IF NOT EXISTS identities (
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  founding INTEGER NOT NULL DEFAULT 0,
  suspended_at INTEGER,
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
CREATE INDEX IF NOT EXISTS logout_tokens_by_subject ON logout_tokens (provider, subject, issued_at);
CREATE INDEX IF NOT EXISTS logout_tokens_by_session ON logout_tokens (provider, provider_session, issued_at);

-- OAuth clients. Each is a user too (id `cli_…`, no e-mail, no password): roles, scopes, claims, version and end are his.
CREATE TABLE IF NOT EXISTS clients (
  id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  secret_hash TEXT,
  previous_secret_hash TEXT,
  previous_until INTEGER,
  jwks TEXT,
  created_at INTEGER NOT NULL
) STRICT;

-- Assertions that a client has authenticated by, as long as they could come again.
CREATE TABLE IF NOT EXISTS client_assertions (
  client_id TEXT NOT NULL,
  jti TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS client_assertions_by_age ON client_assertions (expires_at);
-- Keys of machines: each is a user of its own, who holds its roles, scopes and claims, and is disabled where the key has ended.
CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  previous_secret_hash TEXT,
  previous_until INTEGER,
  expires_at INTEGER,
  last_used_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;

-- Subjects of other issuers: tokens issued to them up to then are refused.
CREATE TABLE IF NOT EXISTS revoked_subjects (
  issuer TEXT,
  subject TEXT,
  revoked_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT;

-- What an isolate asks for that has been told of a newer version: whatever is new.
CREATE INDEX IF NOT EXISTS revoked_subjects_by_age ON revoked_subjects (issuer, revoked_at);

-- Per issuer the version of its revocations, which only grows, and the one that was last confirmed in KV.
CREATE TABLE IF NOT EXISTS revoked_issuers (
  issuer TEXT PRIMARY KEY,
  revocations INTEGER NOT NULL,
  published INTEGER NOT NULL DEFAULT 0
) STRICT;

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

-- The audit trail: rows are added, and removed when they are old. Ids are in the order of the commits.
CREATE TABLE IF NOT EXISTS audit_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT,
  outcome TEXT NOT NULL,
  request_id TEXT,
  details TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX IF NOT EXISTS audit_events_by_target ON audit_events (target);
-- What bounds the failures that are recorded.
CREATE INDEX IF NOT EXISTS audit_events_failed ON audit_events (at) WHERE outcome = 'failure';

-- What webhooks are still to be told, and have been: a row for each event and receiver.
CREATE TABLE IF NOT EXISTS deliveries (
  id TEXT PRIMARY KEY,
  webhook TEXT NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  delivered_at INTEGER,
  dead_at INTEGER
) STRICT;

-- What the cron looks for: due to a webhook, failed for the last time, and over. A webhook that is configured no more has a
-- month to come back.
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (webhook, next_at) WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX IF NOT EXISTS deliveries_failed ON deliveries (next_at)
  WHERE delivered_at IS NULL AND dead_at IS NULL AND attempts >= 8;
CREATE INDEX IF NOT EXISTS deliveries_over ON deliveries (coalesce(delivered_at, dead_at, created_at + 2592000));

-- Links that set a password once: at most one a user, good for the epoch and the e-mail that it was made for.
CREATE TABLE IF NOT EXISTS password_resets (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  session_epoch INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS password_resets_by_age ON password_resets (expires_at);

-- What the console counts while ADMIN_ORIGIN is set: a number for an hour, by its first second, and a name.
CREATE TABLE IF NOT EXISTS figures (
  hour INTEGER NOT NULL,
  figure TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, figure)
) STRICT, WITHOUT ROWID;

-- What its sign-ins are counted by.
CREATE INDEX IF NOT EXISTS audit_events_signed_in ON audit_events (at) WHERE action = 'sign_in' AND outcome = 'success';

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
