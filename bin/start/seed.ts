// The one user that a development gateway begins with.
import { hashPassword } from '../../src/accounts/passwords.ts'

export const DEMO_USER = { email: 'demo@example.com', password: 'correct horse battery' }

/** SQL that adds the demo user where no user has its id or address. */
export async function seedSql(): Promise<string> {
  const hash = await hashPassword(DEMO_USER.password)
  return `INSERT INTO users (id, email, password_hash, roles, scopes, claims, token_version, created_at, changed_at)
  VALUES ('usr_demo', '${DEMO_USER.email}', '${hash}', '["member"]', '["orders:read"]', '{"tenant":"acme"}',
    CAST(unixepoch('subsec') * 1000 AS INTEGER), unixepoch(), unixepoch())
  ON CONFLICT DO NOTHING;
`
}
