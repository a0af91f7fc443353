// `npm run admin`: on a database of this machine, and what is run there.
import { execFile, spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { verifyPassword } from '../../src/accounts/passwords.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMAND = join(ROOT, 'bin', 'admin.ts')
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-admin-test-'))
const CONFIG = join(folder, 'wrangler.toml')
const SCOPES = '["gatehouse:admin"]'

const WEBHOOKS = `
[[vars.WEBHOOKS]]
id = "siem"
url = "https://siem.example.com/hook"
events = ["admin.granted"]

[[vars.WEBHOOKS]]
id = "crm"
url = "https://crm.example.com/hook"
events = ["user.changed"]
`

afterAll(() => rmSync(folder, { recursive: true }))

async function wrangler(...args: readonly string[]): Promise<string> {
  const command = [join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js'), ...args, '--local']
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  return (await promisify(execFile)(process.execPath, command, { cwd: folder, env })).stdout
}

interface Row {
  readonly id: string
  readonly email: string
  readonly password_hash: string
  readonly scopes: string
  readonly token_version: number
}

async function query<T>(sql: string): Promise<readonly T[]> {
  const answers: readonly { readonly results: readonly T[] }[] = JSON.parse(
    await wrangler('d1', 'execute', 'DB', '--json', '--command', sql),
  )
  return answers[0]?.results ?? []
}

function admin(...args: readonly string[]) {
  return spawnSync(process.execPath, [COMMAND, ...args, '--config', CONFIG], { encoding: 'utf8' })
}

beforeAll(async () => {
  for (const name of ['wrangler.toml', 'schema.sql']) cpSync(join(ROOT, name), join(folder, name))
  appendFileSync(CONFIG, WEBHOOKS)
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src', 'index.ts'), 'export default {}')
  await wrangler('d1', 'execute', 'DB', '--file', 'schema.sql')
}, 120_000)

describe('npm run admin', () => {
  it('makes the first administrator, once, and lets others in by grant', async () => {
    const user = `INSERT INTO users (id, email, scopes, token_version, created_at, changed_at)
      VALUES ('usr_1', 'ada@example.com', '["a"]', 7, 0, 0)`
    await query(user)
    expect(admin('list').stdout).toContain('Nobody is an administrator')

    const { stdout, status } = admin('bootstrap', '--email', `O'Brien";--@Example.com`)
    expect(status).toBe(0)
    const [first] = await query<Row>(`SELECT * FROM users WHERE id <> 'usr_1'`)
    expect(first).toMatchObject({ email: `o'brien";--@example.com`, scopes: '["gatehouse:admin"]' })
    const password = /shown once: (\S+)/.exec(stdout)?.[1] ?? ''
    expect(password).toMatch(/^[\w-]{24}$/)
    expect(await verifyPassword(password, first?.password_hash ?? null)).toEqual({ outcome: 'right', outdated: false })

    const second = admin('bootstrap', '--email', 'second@example.com')
    expect([second.status, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toContain('There is an administrator already')

    expect(admin('grant', '--email', 'nobody@example.com').status).toBe(1)
    for (const time of [1, 2]) expect([time, admin('grant', '--email', 'Ada@example.com').status]).toEqual([time, 0])
    const [ada] = await query<Row>(`SELECT * FROM users WHERE id = 'usr_1'`)
    expect(ada?.scopes).toBe('["a","gatehouse:admin"]')
    expect(ada?.token_version).toBeGreaterThan(7)
    expect(
      admin('list')
        .stdout.split('\n')
        .filter((line) => line.includes('usr_')),
    ).toHaveLength(2)
    const granted = {
      actor: 'the operator',
      action: 'admin.grant',
      outcome: 'success',
      details: `{"scopes":${SCOPES}}`,
    }
    expect(await query('SELECT actor, action, target, outcome, details FROM audit_events ORDER BY id')).toEqual([
      { ...granted, action: 'admin.bootstrap', target: first?.id, details: '{}' },
      { ...granted, target: first?.id },
      { ...granted, target: 'usr_1' },
    ])
    const bodies = await query<{ webhook: string; body: string }>('SELECT webhook, body FROM deliveries ORDER BY rowid')
    expect(bodies.map(({ webhook, body }) => [webhook, JSON.parse(body)])).toEqual(
      [first?.id, 'usr_1'].map((subject) => [
        'siem',
        {
          type: 'admin.granted',
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          data: { subject, scopes: ['gatehouse:admin'] },
        },
      ]),
    )
  }, 180_000)

  it('makes a first one again once every other is disabled, but takes nobody’s e-mail', async () => {
    await query(`UPDATE users SET disabled_at = 1`)
    expect(admin('bootstrap', '--email', 'ada@example.com').status).toBe(1)
    expect(admin('bootstrap', '--email', 'new@example.com').status).toBe(0)
  }, 120_000)

  it.each([
    [[]],
    [['remake']],
    [['bootstrap']],
    [['bootstrap', '--email', 'nobody']],
    [['grant', 'all', '--email', 'a@b.c']],
    [['list', '--email', 'a@b.c']],
    [['list', '--local', '--remote']],
    [['bootstrap', '--email', 'a@b.c', '--password', 'x']],
  ])('shows its usage for %j', (args) => {
    const { status, stderr } = admin(...args)
    expect([status, stderr.slice(0, 6)]).toEqual([2, 'Usage:'])
  })

  it('says what is missing where the configuration is not there', () => {
    const args = [COMMAND, 'list', '--config', join(folder, 'nothing.toml')]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect([status, stderr]).toEqual([1, `${join(folder, 'nothing.toml')} is not there.\n`])
  })
})
