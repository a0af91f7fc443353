-- Deleted users, kept without their data until no token of them can live.

ALTER TABLE users ADD COLUMN deleted_at INTEGER;
CREATE INDEX IF NOT EXISTS users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;
