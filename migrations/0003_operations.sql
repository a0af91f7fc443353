-- What operating takes: clients, API keys, revoked subjects of other issuers, the audit trail, deliveries to webhooks, password links, and an end for what is over.

-- What the cron looks for: over, one way or another.
CREATE INDEX IF NOT EXISTS sessions_over ON sessions (coalesce(ended_at, expires_at));

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

-- Links that set a password once: at most one a user, good for the epoch and the e-mail that it was made for.
CREATE TABLE IF NOT EXISTS password_resets (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  session_epoch INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS password_resets_by_age ON password_resets (expires_at);
