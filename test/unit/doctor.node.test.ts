// `npm run doctor`: each finding, and the command on a gateway of this machine.
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, describe, expect, it } from 'vitest'

import type { Patient } from '../../bin/doctor/checks.ts'
import { CHECKS } from '../../bin/doctor/checks.ts'
import type { Deployment } from '../../bin/doctor/deployment.ts'
import { readSchema } from '../../bin/doctor/schema.ts'
import { formatDevVars, makeSecrets } from '../../bin/secrets.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { configEnv, issuer } from '../support/config-env.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMAND = join(ROOT, 'bin', 'doctor.ts')
const NOW = 1_790_000_000
const schema = readSchema(readFileSync(join(ROOT, 'schema.sql'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-doctor-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Symptoms {
  readonly secrets?: readonly string[]
  readonly lacks?: string
  readonly databaseClock?: number
  readonly overdue?: number
  readonly digests?: readonly number[]
  readonly marker?: string | null
  readonly health?: () => Response
  readonly jwks?: () => Response
  readonly provider?: () => Response
  readonly vars?: Readonly<Record<string, unknown>>
}

/** In good health but for these. */
function patient(symptoms: Symptoms): Patient {
  const parsed = parseConfig(configEnv({ ISSUERS: [issuer], ...symptoms.vars }))
  if (parsed.outcome === 'refused') throw new Error(parsed.problems.join())
  const deployment: Deployment = {
    listSecrets: async () => symptoms.secrets ?? ['SIGNING_KEYS', 'SESSION_KEYS', 'OTHER'],
    query: async (sql) => {
      if (sql.includes('pragma_table_info'))
        return schema.parts.filter((part) => part !== symptoms.lacks).map((part) => ({ part }))
      if (sql.includes('AS overdue')) return [{ overdue: symptoms.overdue ?? 0 }]
      return sql.includes('AS now') ? [{ now: symptoms.databaseClock ?? NOW }] : [{ id: 'a', token_version: 200 }]
    },
    listKeys: async () => (symptoms.digests ?? [NOW - 500, NOW - 5]).map((tick) => `recent:${tick}`),
    readMarkers: async () => new Map([['marker:a', symptoms.marker === undefined ? '200' : symptoms.marker]]),
  }
  const metadata = { issuer: issuer.issuer, jwks_uri: `${issuer.issuer}jwks` }
  const date = { Date: new Date(NOW * 1000).toUTCString() }
  return {
    config: parsed.config,
    deployment,
    schema,
    now: () => NOW,
    place: '--remote --config wrangler.toml',
    fetch: async (url) => {
      if (url === 'https://api.example.com/auth/health')
        return symptoms.health?.() ?? Response.json({}, { headers: date })
      if (url.endsWith('/jwks')) return symptoms.jwks?.() ?? Response.json({ keys: [{}] })
      if (url.startsWith('https://login.example.net'))
        return symptoms.provider?.() ?? new Response(null, { status: 500 })
      return Response.json(metadata)
    },
  }
}

async function findings(symptoms: Symptoms) {
  const found = await Promise.all(
    CHECKS.map(async ({ name, look }) => {
      const { verdict, what } = await look(patient(symptoms))
      return { name, verdict, what }
    }),
  )
  return found.filter(({ verdict }) => verdict !== 'ok').map(({ name, verdict, what }) => `${verdict} ${name}: ${what}`)
}

describe('the doctor', () => {
  it('finds nothing where all is well', async () => {
    expect(await findings({})).toEqual([])
  })

  it.each<[Symptoms, string]>([
    [{ secrets: ['SIGNING_KEYS'] }, 'bad secrets: missing: SESSION_KEYS'],
    [
      { health: () => new Response(null, { status: 503 }) },
      'bad health: https://api.example.com/auth/health answers 503',
    ],
    [
      { health: () => new Response('{"code":"misconfigured"}', { status: 503 }) },
      'bad health: the gateway is misconfigured',
    ],
    [{ databaseClock: NOW + 7 }, 'warn clock: this machine, the gateway and D1 differ by 7 s at most'],
    [
      { health: () => new Response(null, { headers: { Date: new Date((NOW - 60) * 1000).toUTCString() } }) },
      'warn clock: this machine, the gateway and D1 differ by 60 s at most',
    ],
    [{ lacks: 'users.settled_version' }, 'bad schema: D1 lacks users.settled_version'],
    [{ lacks: 'index users_recent' }, 'bad schema: D1 lacks index users_recent'],
    [{ digests: [NOW - 181] }, 'bad cron: it has last told of recent changes 181 s ago'],
    [{ digests: [] }, 'bad cron: it has told of no recent changes'],
    [{ overdue: 3 }, 'bad publication: 3 changes are still to be told to KV'],
    [{ marker: null }, 'bad markers: of 1 users 1 have no marker, 0 a lower and 0 a higher one than D1 has'],
    [{ marker: '199' }, 'bad markers: of 1 users 0 have no marker, 1 a lower and 0 a higher one than D1 has'],
    [{ marker: '201' }, 'warn markers: of 1 users 0 have no marker, 0 a lower and 1 a higher one than D1 has'],
    [
      { jwks: () => new Response(null, { status: 500 }) },
      'bad issuers: not reached from here: https://idp.example.com/',
    ],
    [{ jwks: () => Response.json({ keys: [] }) }, 'bad issuers: not reached from here: https://idp.example.com/'],
  ])('finds what ails with %j', async (symptoms, finding) => {
    expect(await findings(symptoms)).toEqual([finding])
  })

  it('finds a provider that cannot be reached, and none where it can', async () => {
    const provider = { id: 'corp', issuer: 'https://login.example.net', client_id: 'x' }
    const vars = { PROVIDERS: [provider], PROVIDER_CORP_SECRET: 'x' }
    const secrets = ['SIGNING_KEYS', 'SESSION_KEYS', 'PROVIDER_CORP_SECRET']
    expect(await findings({ vars, secrets })).toEqual([
      'bad providers: not reached from here: https://login.example.net',
    ])
    const endpoints = { authorization_endpoint: 'a', token_endpoint: 't', jwks_uri: 'k' }
    const at = Object.entries(endpoints).map(([name, path]) => [name, `${provider.issuer}/${path}`])
    const metadata = () => Response.json({ issuer: provider.issuer, ...Object.fromEntries(at) })
    expect(await findings({ vars, secrets, provider: metadata })).toEqual([])
  })

  it('asks for no digest where there are none', async () => {
    expect(await findings({ digests: [], vars: { REVOCATION: { isolate_ttl: '0s' } } })).toEqual([])
  })

  it('takes a clock that is off by no more than clock_skew', async () => {
    expect(await findings({ databaseClock: NOW - 5 })).toEqual([])
  })
})

describe('npm run doctor', () => {
  it('looks at a gateway of this machine, and its exit code says how it is', async () => {
    const health = createServer((_, response) => response.end('{"status":"ok"}'))
    health.listen(0, '127.0.0.1')
    await once(health, 'listening')
    afterAll(() => health.close())
    const address = health.address()
    const issuerLine = `ISSUER = "http://localhost:${typeof address === 'object' ? address?.port : ''}"`
    const config = join(folder, 'wrangler.toml')
    const shipped = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
    writeFileSync(config, shipped.replace('ISSUER = "http://localhost:8787"', issuerLine))
    writeFileSync(join(folder, '.dev.vars'), formatDevVars(await makeSecrets()))
    mkdirSync(join(folder, 'src'))
    writeFileSync(join(folder, 'src', 'index.ts'), 'export default {}')
    cpSync(join(ROOT, 'schema.sql'), join(folder, 'schema.sql'))
    cpSync(join(ROOT, 'migrations'), join(folder, 'migrations'), { recursive: true })
    const wrangler = (...args: readonly string[]) =>
      promisify(execFile)(
        process.execPath,
        [join(ROOT, 'node_modules/wrangler/bin/wrangler.js'), ...args, '--local', '-c', config],
        { cwd: folder },
      )
    const doctor = () =>
      promisify(execFile)(process.execPath, [COMMAND, '--config', config]).then(
        ({ stdout }) => ({ code: 0, said: stdout }),
        ({ code, stdout }) => ({ code: Number(code), said: String(stdout) }),
      )

    const before = await doctor()
    expect(before.code).toBe(1)
    expect(before.said).toMatch(/^bad {3}schema +D1 lacks .*\n +-> npx wrangler d1 migrations apply DB --local/m)
    expect(before.said).toMatch(/^bad {3}cron +it has told of no recent changes/m)

    await wrangler('d1', 'migrations', 'apply', 'DB')
    const tick = String(Math.floor(Date.now() / 1000))
    await wrangler('kv', 'key', 'put', `recent:${tick}`, '{}', '--binding', 'MARKERS')
    const after = await doctor()
    expect(after.said.split('\n').map((line) => line.slice(0, 20).trim())).toEqual([
      'ok    configuration',
      'ok    secrets',
      'ok    health',
      'ok    clock',
      'ok    schema',
      'ok    cron',
      'ok    publication',
      'ok    markers',
      'ok    issuers',
      'ok    providers',
      '',
    ])
    expect(after.code).toBe(0)
  }, 180_000)

  it('looks no further where the configuration is wrong', () => {
    const config = join(folder, 'wrong.toml')
    writeFileSync(config, 'name = "x"\n[vars]\nISSUER = 1\n')
    const { status, stdout } = spawnSync(process.execPath, [COMMAND, '--config', config], { encoding: 'utf8' })
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^bad {3}configuration +wrong\.toml would not serve:/)])
    expect(stdout).not.toContain('secrets ')
  })

  it.each([[['--remote', '--local']], [['all']], [['--verbose']]])('shows its usage for %j', (args) => {
    const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, expect.stringContaining('Usage: npm run doctor')])
  })
})
