-- Ways in that were added to an account: which one the account was made by, and which are suspended.

ALTER TABLE identities ADD COLUMN founding INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN suspended_at INTEGER;
UPDATE identities SET founding = 1 WHERE EXISTS (
  SELECT 1 FROM users u WHERE u.id = identities.user_id AND u.email IS NULL AND identities.created_at <= u.created_at);
