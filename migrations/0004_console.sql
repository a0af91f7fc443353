-- The console: figures over time.

-- What the console counts while ADMIN_ORIGIN is set: a number for an hour, by its first second, and a name.
CREATE TABLE IF NOT EXISTS figures (
  hour INTEGER NOT NULL,
  figure TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, figure)
) STRICT, WITHOUT ROWID;

-- What its sign-ins are counted by.
CREATE INDEX IF NOT EXISTS audit_events_signed_in ON audit_events (at) WHERE action = 'sign_in' AND outcome = 'success';
