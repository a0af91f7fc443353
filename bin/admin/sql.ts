// What `npm run admin` asks of D1: wrangler takes no parameters, so texts are written as hexadecimal digits, which hold no quote.

const SCOPE = 'gatehouse:admin'

/** People whose scopes have it; clients and API keys are listed by the admin API. */
const IS_ADMINISTRATOR = `EXISTS (SELECT 1 FROM json_each(users.scopes) WHERE value = '${SCOPE}')
  AND substr(id, 1, 4) NOT IN ('cli_', 'key_')`

const RAISE = `token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER)), changed_at = unixepoch()`

/** A webhook whose `events` have `admin.granted`, by its id. */
export type Receivers = readonly string[]

export interface First {
  readonly id: string
  readonly email: string
  readonly passwordHash: string
}

/**
 * Adds an administrator where there is none who is not disabled, and records it; the last statement returns the `id`, if one
 * was added. An e-mail that is taken adds none.
 */
export function insertFirst({ id, email, passwordHash }: First, receivers: Receivers): string {
  const named = `SELECT id FROM users WHERE id = ${text(id)}`
  return `INSERT INTO users (id, email, password_hash, scopes, token_version, created_at, changed_at)
    SELECT ${text(id)}, ${text(email)}, ${text(passwordHash)}, '["${SCOPE}"]', CAST(unixepoch('subsec') * 1000 AS INTEGER),
      unixepoch(), unixepoch()
    WHERE NOT EXISTS (SELECT 1 FROM users WHERE ${IS_ADMINISTRATOR} AND disabled_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM users WHERE email = ${text(email)});
  ${audit('admin.bootstrap', '{}', named)};
  ${granted(named, receivers)}
  ${named};`
}

/** Gives the user of an e-mail the scope, unless the user has it; the last statement returns the `id`, if there is one. */
export function grant(email: string, receivers: Receivers): string {
  const named = `SELECT id FROM users WHERE email = ${text(email)}`
  return `${granted(`${named} AND NOT (${IS_ADMINISTRATOR})`, receivers)}
  UPDATE users SET scopes = json_insert(scopes, '$[#]', '${SCOPE}'), ${RAISE}
    WHERE email = ${text(email)} AND NOT (${IS_ADMINISTRATOR});
  ${named};`
}

/** Everybody who has the scope. */
export function selectAdministrators(): string {
  return `SELECT id, email, disabled_at FROM users WHERE ${IS_ADMINISTRATOR} ORDER BY id;`
}

/** What the gateway records and sends where a user gets the scope; the messages have the form of `insertDeliveryOf`. */
function granted(found: string, receivers: Receivers): string {
  const deliveries = receivers.map(
    (webhook) => `INSERT INTO deliveries (id, webhook, event, body, created_at, next_at)
      SELECT 'msg_' || lower(hex(randomblob(16))), ${text(webhook)}, 'admin.granted',
        json_object('type', 'admin.granted', 'timestamp', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),
          'data', json_object('subject', id, 'scopes', json('["${SCOPE}"]'))),
        unixepoch(), unixepoch()
      FROM (${found});`,
  )
  return [`${audit('admin.grant', `{"scopes":["${SCOPE}"]}`, found)};`, ...deliveries].join('\n')
}

function audit(action: string, details: string, found: string): string {
  return `INSERT INTO audit_events (at, actor, action, target, outcome, details)
    SELECT unixepoch(), 'the operator', '${action}', id, 'success', '${details}' FROM (${found})`
}

function text(value: string): string {
  return `CAST(X'${Buffer.from(value).toString('hex')}' AS TEXT)`
}
