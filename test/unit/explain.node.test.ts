// `npm run explain` as an operator types it.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { formatDevVars, makeSecrets } from '../../bin/secrets.ts'
import { createKeyId, createKeyText } from '../../src/keys/format.ts'
import { formatSessionToken } from '../../src/sessions/session-token.ts'
import { importSigningKeys } from '../../src/tokens/keys.ts'
import { mintAccessToken } from '../../src/tokens/mint.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMAND = join(ROOT, 'bin', 'explain.ts')
const ORIGIN = 'http://localhost:8787'
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-explain-'))
const config = join(folder, 'wrangler.toml')
const now = Math.floor(Date.now() / 1000)
const secrets = await makeSecrets()
const sessionKeys = [Buffer.from(secrets.SESSION_KEYS, 'base64url')]
const { text: apiKey } = createKeyText(createKeyId())
const session = formatSessionToken(sessionKeys, 'c', { sessionId: `ses_${'a'.repeat(22)}`, generation: 1 })

beforeAll(() => {
  const machines =
    '[[vars.ROUTES]]\npath = "/machines"\nupstream = "http://localhost:8788"\ncredentials = ["api-key"]\n'
  writeFileSync(config, `${readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')}\n${machines}`)
  writeFileSync(join(folder, '.dev.vars'), formatDevVars(secrets))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function mint(scopes: readonly string[] = [], left = 600): Promise<string> {
  const ring = await importSigningKeys(JSON.parse(secrets.SIGNING_KEYS))
  const times = { issuedAt: now - 60, expiresAt: now + left, authTime: now - 60 }
  const who = { subject: 'usr_ada', clientId: 'gatehouse', amr: ['pwd'], roles: [], session: 'ses_1', version: 1 }
  return mintAccessToken(ring, { issuer: ORIGIN, audience: ORIGIN, scopes, claims: {}, ...times, ...who })
}

function explain(args: readonly string[], input = '') {
  const command = [COMMAND, ...args, '--config', config]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', input })
  return { status, said: `${stdout}${stderr}` }
}

describe('npm run explain', () => {
  it('tells of a token that passes: every step, and what the upstream would receive', async () => {
    const token = await mint(['orders:read'])
    const { status, said } = explain(['GET', '/orders/7?secret=1', '--token', token])
    expect(said.split('\n').map((line) => line.replace(/^ +(\S+) +/, '$1 ').slice(0, 60))).toEqual([
      'GET http://localhost:8787/orders/7?(as it came)',
      '',
      'path good     /orders/7',
      expect.stringMatching(/^route good {5}ROUTES\[\d\] \(\/orders\/\*\), access required/),
      'CORS -        the upstream answers for itself',
      'credential -        a bearer token',
      'CSRF -        not asked: no cookies count, or the method onl',
      expect.stringMatching(/^verify good {5}usr_ada of http:\/\/localhost:8787/),
      expect.stringMatching(/^revocation unknown {2}only KV \(marker:usr_ada\)/),
      'policy good     has what is asked: scope orders:read',
      '',
      'Verdict: passes, if it was not revoked',
      '',
      'The upstream would receive:',
      'GET http://localhost:8788/orders/7?(as it came)',
      expect.stringMatching(/^gatehouse-assertion: \(a JWT/),
      'gatehouse-issuer: http://localhost:8787',
      'gatehouse-scope: orders:read',
      'gatehouse-session: ses_1',
      'gatehouse-subject: usr_ada',
      expect.stringMatching(/^x-forwarded-for: /),
      'x-forwarded-host: localhost:8787',
      'x-forwarded-proto: http',
      expect.stringMatching(/^x-request-id: /),
      '',
    ])
    expect(status).toBe(0)
  }, 30_000)

  it('reads a token from the standard input, and names the scope that it lacks', async () => {
    const { status, said } = explain(['/orders/7', '--token', '-'], `${await mint()}\n`)
    expect(said).toContain('policy      refused  403 insufficient_scope {"missing":["orders:read"]}')
    expect(said).toContain('Verdict: refused with 403 insufficient_scope')
    expect(status).toBe(3)
  })

  it.each([
    ['an expired token', ['/prices'], () => mint([], -60), 3, '401 invalid_token (claim:expired)'],
    ['a token by other keys', ['/prices'], () => mint().then(resigned), 3, '401 invalid_token (signature)'],
    ['no token at all', ['/prices'], null, 3, '401 credential_required'],
    [
      'a method of another host',
      ['DELETE', '/public/x', '--host', 'other.test'],
      null,
      0,
      'x-forwarded-host: other.test',
    ],
    ['a forged header', ['/public/x', '--header', 'Gatehouse-Subject: usr_boss'], null, 0, 'Verdict: passes'],
    ['a cookie that D1 must judge', ['/prices', '--cookie', `gatehouse_session=${session}`], null, 4, 'only D1 knows'],
    [
      'a cookie that nobody has signed',
      ['/prices', '--cookie', 'gatehouse_session=x'],
      null,
      3,
      'by none of SESSION_KEYS',
    ],
    [
      'a write from another site',
      ['POST', '/prices', '--cookie', `gatehouse_session=${session}`, '--header', 'Origin: https://evil.test'],
      null,
      3,
      '403 cross_site_request',
    ],
    ['an API key that D1 must judge', ['/machines', '--header', `X-API-Key: ${apiKey}`], null, 4, 'only D1 knows'],
    [
      'an API key with a typing error',
      ['/machines', '--token', `${apiKey}x`],
      null,
      3,
      '401 invalid_token (no API key)',
    ],
    ["one of the gateway's own URLs", ['/auth/session'], null, 4, 'answered by the gateway itself'],
  ] as const)('tells of %s', async (_, args, token, expected, words) => {
    const given = token === null ? [] : ['--token', await token()]
    const { status, said } = explain([...args, ...given])
    expect(said).toContain(words)
    expect(status).toBe(expected)
    expect(said).not.toContain('usr_boss')
    const hidden = [session, apiKey, ...given.slice(1), secrets.SESSION_KEYS, ...secrets.SIGNING_KEYS.split('"')]
    expect(hidden.filter((secret) => secret.length > 20 && said.includes(secret))).toEqual([])
  })

  it('withholds a token that stands where none should', async () => {
    const token = await mint(['orders:read'])
    const { said } = explain([`/orders/${token}`, '--token', token])
    expect(said).toContain('/orders/(withheld)')
    expect(said).not.toContain(token)
  })

  it('says what is not at hand, and does not guess', async () => {
    const { status, said } = explain(['/prices', '--token', await mint(), '--secrets-file', join(folder, 'none.json')])
    expect([status, said]).toEqual([1, expect.stringContaining('cannot be read')])
    writeFileSync(join(folder, 'empty.json'), '{}')
    const without = explain(['/prices', '--token', await mint(), '--secrets-file', join(folder, 'empty.json')])
    expect(without).toEqual({ status: 4, said: expect.stringContaining('Verdict: cannot be told here') })
  })

  it('finds the log line of a request, and says where to look for others', () => {
    mkdirSync(join(folder, '.wrangler'))
    const line = { event: 'denial', request_id: 'abc-1', code: 'invalid_token', reason: 'kid', route: 'ROUTES[1]' }
    const log = [
      '[wrangler:info] Ready',
      JSON.stringify({ ...line, request_id: 'abc-2' }),
      JSON.stringify(line),
      '{"x":1}',
    ]
    writeFileSync(join(folder, '.wrangler', 'start.log'), log.join('\n'))
    const found = explain(['--request-id', 'abc-1'])
    expect(found).toEqual({
      status: 0,
      said: expect.stringMatching(/request_id +abc-1\n +code +invalid_token\n +reason +kid/),
    })
    expect(found.said).not.toContain('abc-2')
    const lost = explain(['--request-id', 'abc-3'])
    expect(lost).toEqual({ status: 1, said: expect.stringContaining('wrangler tail') })
  })

  it.each([
    [[]],
    [['orders']],
    [['GET', '/x', '--method', 'GET']],
    [['/x', '--header', 'nothing']],
    [['/x', '/y', '/z']],
    [['--request-id', 'a b']],
  ])('shows its usage for %j', (args) => {
    expect(explain(args)).toEqual({ status: 2, said: expect.stringContaining('Usage: npm run explain') })
  })
})

/** Another signature of the right length. */
function resigned(token: string): string {
  const [header, payload] = token.split('.')
  return `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`
}
