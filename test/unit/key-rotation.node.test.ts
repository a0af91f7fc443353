// `npm run keys -- rotate`, `status` and `revoke-all`: the times that are kept, the file that is written, the words that are said.
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv, promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runSteps } from '../../bin/keys/revoke-all.ts'
import type { Key, Ring } from '../../bin/keys/ring.ts'
import { advance, dueAt, SPREAD } from '../../bin/keys/ring.ts'
import { formatRings, readRings } from '../../bin/keys/rings.ts'
import type { Rotated } from '../../bin/keys/rotate.ts'
import { rotate } from '../../bin/keys/rotate.ts'
import { readSecretsFile, replaceValues, SecretsFileProblem } from '../../bin/keys/secrets-file.ts'
import { formatDevVars, makeSecrets } from '../../bin/secrets.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { configEnv } from '../support/config-env.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMAND = join(ROOT, 'bin', 'keys.ts')
const NOW = 1_790_000_000
const DAY = 24 * 3600
const CONFIG = {
  sessions: { idleTimeout: 14 * DAY, absoluteTimeout: 90 * DAY, rotateAfter: 3600, reuseGrace: 30, maxPerUser: 50 },
}
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-rotation-'))
afterAll(() => rmSync(folder, { recursive: true }))

const key = (id: string, state: Key['state'], deployedAt: number | null, life = 100): Key => ({
  id,
  value: id,
  state,
  deployedAt,
  life,
})
const states = (ring: Ring) => ring.map(({ id, state }) => `${id} ${state}`)

describe('a ring', () => {
  it('lets a key sign only when everybody knows it, to the second', () => {
    const ring = [key('old', 'active', null), key('new', 'standby', NOW)]
    expect(states(advance(ring, NOW + SPREAD - 1).ring)).toEqual(['old active', 'new standby'])
    expect(states(advance(ring, NOW + SPREAD).ring)).toEqual(['new active', 'old retiring'])
  })

  it('keeps a retiring key for the longest life of what it has signed and the caches, to the second', () => {
    const ring = [key('new', 'active', null), key('old', 'retiring', NOW, 3660)]
    expect(states(advance(ring, NOW + 3660 + SPREAD - 1).ring)).toEqual(['new active', 'old retiring'])
    expect(states(advance(ring, NOW + 3660 + SPREAD).ring)).toEqual(['new active'])
  })

  it('counts from the deployment of a state, so a key that has just begun to retire waits from then on', () => {
    const { ring } = advance([key('old', 'active', NOW), key('new', 'standby', NOW)], NOW + SPREAD)
    expect(ring.map(({ deployedAt }) => deployedAt)).toEqual([null, null])
    expect(ring.map(dueAt)).toEqual([null, null])
    expect(advance(ring, NOW + 1000 * DAY).ring).toEqual(ring)
  })

  it('waits ten minutes for caches of a key set at the least', () => {
    expect(SPREAD).toBeGreaterThanOrEqual(600)
  })
})

async function freshRings() {
  return readRings({ ...(await makeSecrets()) }, CONFIG)
}

function changedRings(rotated: Rotated) {
  if (rotated.outcome === 'undeployed') throw new Error('not deployed')
  return rotated.rings
}

const steps = { config: CONFIG, isDeployed: async () => 'yes' as const, isTrusted: false }

describe('a rotation', () => {
  it('changes nothing while the gateway does not run with the file', async () => {
    const rings = changedRings(await rotate({ ...steps, rings: await freshRings(), now: NOW }))
    const later = { ...steps, rings, now: NOW + 1000 * DAY }
    expect(await rotate({ ...later, isDeployed: async () => 'no' })).toEqual({ outcome: 'undeployed', deployed: 'no' })
    const unknown = await rotate({ ...later, isDeployed: async () => 'cannot be told' })
    expect(unknown).toEqual({ outcome: 'undeployed', deployed: 'cannot be told' })
  })

  it('counts from the moment at which the gateway was seen to run with the file, not from when it was written', async () => {
    const begun = changedRings(await rotate({ ...steps, rings: await freshRings(), now: NOW }))
    const seen = await rotate({ ...steps, rings: begun, now: NOW + DAY })
    expect(seen).toMatchObject({
      outcome: 'waiting',
      waits: [{ until: NOW + DAY + SPREAD }, { until: NOW + DAY + SPREAD }],
    })
  })

  it('keeps an old session key for absolute_timeout, and begins the next rotation beside it', async () => {
    let rings = await freshRings()
    const [signing, session] = [rings.signing[0]?.id, rings.session[0]?.id]
    for (let now = NOW; now < NOW + 0.5 * DAY; now += 300) {
      const rotated = await rotate({ ...steps, rings, now })
      rings = changedRings(rotated)
    }
    expect(rings.signing.map(({ id }) => id)).not.toContain(signing)
    expect(rings.session.map(({ id }) => id)).toContain(session)
    const due = rings.session.find(({ id }) => id === session)
    expect(dueAt(due ?? key('none', 'active', null))).toBeGreaterThan(NOW + 90 * DAY)
  })

  it('does not take the key set for a proof of session keys alone', async () => {
    const { SIGNING_KEYS, SESSION_KEYS } = await makeSecrets()
    const older = (await makeSecrets()).SESSION_KEYS
    const rings = readRings({ SIGNING_KEYS, SESSION_KEYS: `${SESSION_KEYS},${older}` }, CONFIG)
    expect(await rotate({ ...steps, rings, now: NOW })).toEqual({ outcome: 'undeployed', deployed: 'cannot be told' })
  })
})

describe('the rings of a file', () => {
  it('come back as they were written, and the Worker takes what was written', async () => {
    const begun = changedRings(await rotate({ ...steps, rings: await freshRings(), now: NOW }))
    const values = formatRings(begun)
    expect(readRings(values, CONFIG)).toEqual(begun)
    expect(parseConfig(configEnv(values))).toMatchObject({ outcome: 'parsed' })
  })

  it('count a key that is known for another state as deployed at no known time', async () => {
    const values = formatRings(changedRings(await rotate({ ...steps, rings: await freshRings(), now: NOW })))
    const known = values['KEY_STATES']?.replaceAll('null', String(NOW)) ?? ''
    const { keys }: { keys: readonly unknown[] } = JSON.parse(values['SIGNING_KEYS'] ?? '')
    const turned = { ...values, KEY_STATES: known, SIGNING_KEYS: JSON.stringify({ keys: keys.toReversed() }) }
    const { signing } = readRings(turned, CONFIG)
    expect(signing.map(({ state, deployedAt }) => [state, deployedAt])).toEqual([
      ['active', null],
      ['retiring', null],
    ])
  })

  it('keep the longest absolute_timeout that was ever seen', async () => {
    const values = formatRings(await freshRings())
    const shorter = { sessions: { ...CONFIG.sessions, absoluteTimeout: DAY } }
    expect(readRings(values, shorter).session[0]?.life).toBe(90 * DAY)
  })

  it.each([
    ['{'],
    ['[]'],
    ['{"SIGNING_KEYS":1}'],
    ['SIGNING_KEYS=sesame'],
    ['{"SIGNING_KEYS":"sesame","SESSION_KEYS":"sesame"}'],
  ])('are refused in %s, in words that quote none of it', (text) => {
    const path = join(folder, 'broken')
    writeFileSync(path, text)
    const read = () => readRings(readSecretsFile(path).values, CONFIG)
    expect(read).toThrow(SecretsFileProblem)
    expect(read).not.toThrow(/sesame/)
  })
})

describe('a file of secrets', () => {
  it('keeps what is not ours, whichever form it has', () => {
    const [json, lines] = [join(folder, 'a.json'), join(folder, 'a.vars')]
    writeFileSync(json, '{"LEGACY_JWT":"x","SESSION_KEYS":"a"}')
    writeFileSync(lines, '# mine\nLEGACY_JWT="x"\nSESSION_KEYS=a')
    for (const path of [json, lines])
      replaceValues(readSecretsFile(path), { SESSION_KEYS: 'b', KEY_STATES: '{"$&":1}' })
    const expected = { LEGACY_JWT: 'x', SESSION_KEYS: 'b', KEY_STATES: '{"$&":1}' }
    expect(readSecretsFile(json).values).toEqual(expected)
    expect(readSecretsFile(lines).values).toEqual(expected)
    expect(readFileSync(lines, 'utf8')).toMatch(/^# mine\nLEGACY_JWT="x"\n/)
    expect([json, lines].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600])
  })

  it('stays as somebody else has changed it meanwhile', () => {
    const path = join(folder, 'b.json')
    writeFileSync(path, '{"SESSION_KEYS":"a"}')
    const read = readSecretsFile(path)
    writeFileSync(path, '{"SESSION_KEYS":"c"}')
    expect(() => replaceValues(read, { SESSION_KEYS: 'b' })).toThrow('changed meanwhile')
    expect(readFileSync(path, 'utf8')).toBe('{"SESSION_KEYS":"c"}')
  })

  it('is not written by two at once', () => {
    const path = join(folder, 'c.json')
    writeFileSync(path, '{"SESSION_KEYS":"a"}')
    writeFileSync(`${path}.new`, 'of another')
    expect(() => replaceValues(readSecretsFile(path), { SESSION_KEYS: 'b' })).toThrow('cannot be made')
    expect(readFileSync(path, 'utf8')).toBe('{"SESSION_KEYS":"a"}')
    expect(readFileSync(`${path}.new`, 'utf8')).toBe('of another')
  })
})

describe('the steps of revoke-all', () => {
  it('stop at the first that fails and say what is left, in order', async () => {
    const ran: string[] = []
    const said: string[] = []
    const step = (name: string, fails = false) => ({
      says: name,
      byHand: `do ${name}`,
      run: async () => {
        ran.push(name)
        if (fails) throw new Error('no network')
      },
    })
    expect(await runSteps([step('a'), step('b', true), step('c')], (line) => said.push(line))).toBe(1)
    expect(ran).toEqual(['a', 'b'])
    expect(said).toEqual(['done  a', 'FAILED  b\nno network', 'Not done yet, in this order:', '  do b', '  do c'])
  })
})

/** A gateway as far as its key set goes. */
const gateway = createServer((_, response) => response.end(JSON.stringify(served)))
let served: unknown = { keys: [] }
const secrets = join(folder, '.dev.vars')
const config = join(folder, 'wrangler.toml')

beforeAll(async () => {
  gateway.listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  const address = gateway.address()
  const port = typeof address === 'object' ? address?.port : null
  const shipped = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
  writeFileSync(config, shipped.replace('ISSUER = "http://localhost:8787"', `ISSUER = "http://localhost:${port}"`))
  writeFileSync(secrets, formatDevVars(await makeSecrets()))
})
afterAll(() => gateway.close())

function valuesNow() {
  return parseEnv(readFileSync(secrets, 'utf8'))
}

function kids(): readonly string[] {
  const { keys }: { keys: readonly { kid: string }[] } = JSON.parse(valuesNow()['SIGNING_KEYS'] ?? '')
  return keys.map(({ kid }) => kid)
}

async function run(...args: readonly string[]) {
  const command = [COMMAND, ...args, '--secrets-file', secrets, '--config', config]
  const { stdout, stderr, code } = await promisify(execFile)(process.execPath, command).then(
    (done) => ({ ...done, code: 0 }),
    (error) => error,
  )
  return { said: `${String(stdout)}${String(stderr)}`, code: Number(code) }
}

/** As if everything had been deployed so many seconds earlier. */
function backdate(seconds: number): void {
  const { KEY_STATES = '' } = valuesNow()
  const earlier = KEY_STATES.replaceAll(/"deployed_at":(\d+)/g, (_, at) => `"deployed_at":${Number(at) - seconds}`)
  writeFileSync(
    secrets,
    readFileSync(secrets, 'utf8').replace(KEY_STATES, () => earlier),
  )
}

describe('npm run keys', () => {
  it('rotates a file, step by step, as an operator lives through it', async () => {
    const [first] = kids()
    expect(await run('rotate')).toMatchObject({ code: 0, said: expect.stringContaining('is new and on standby') })
    const [active, standby = ''] = kids()
    expect(active).toBe(first)
    expect(await run('rotate')).toMatchObject({ code: 1, said: expect.stringContaining('does not run with') })

    served = { keys: kids().map((kid) => ({ kid })) }
    expect(await run('rotate')).toMatchObject({
      code: 1,
      said: expect.stringContaining(`${standby} may not sign before`),
    })
    expect(kids()).toEqual([first, standby])

    backdate(SPREAD)
    expect(await run('rotate')).toMatchObject({ code: 0, said: expect.stringContaining(`${standby} is active`) })
    expect(kids()).toEqual([standby, first])

    served = { keys: kids().map((kid) => ({ kid })) }
    expect(await run('rotate')).toMatchObject({
      code: 1,
      said: expect.stringContaining(`${first} may not be dropped before`),
    })
    backdate(3660 + SPREAD)
    expect(await run('rotate')).toMatchObject({ code: 0, said: expect.stringContaining('This rotation is over') })
    expect(kids()).toEqual([standby])
    expect(valuesNow()['SESSION_KEYS']?.split(',')).toHaveLength(2)
  }, 60_000)

  it('shows states and times, and no key', async () => {
    const { said, code } = await run('status')
    expect(code).toBe(0)
    expect(said).toMatch(/^KEY +ID +STATE +DEPLOYED +NEXT\nsigning +\S+ +active/)
    const values = valuesNow()
    const { keys }: { keys: readonly { d: string }[] } = JSON.parse(values['SIGNING_KEYS'] ?? '')
    const hidden = [...keys.map(({ d }) => d), ...(values['SESSION_KEYS'] ?? '').split(',')]
    expect(hidden.filter((text) => said.includes(text))).toEqual([])
  })

  it('revokes all: new keys, every session ended, every marker raised', async () => {
    cpSync(join(ROOT, 'schema.sql'), join(folder, 'schema.sql'))
    mkdirSync(join(folder, 'src'), { recursive: true })
    writeFileSync(join(folder, 'src', 'index.ts'), 'export default {}')
    const wrangler = async (...args: readonly string[]) => {
      const command = [join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js'), ...args, '--local', '-c', config]
      return (await promisify(execFile)(process.execPath, command, { cwd: folder })).stdout
    }
    const insert = `INSERT INTO users (id, token_version, published_version, created_at, changed_at) VALUES ('a', 7, 7, 0, 0);`
    writeFileSync(join(folder, 'all.sql'), readFileSync(join(folder, 'schema.sql'), 'utf8') + insert)
    await wrangler('d1', 'execute', 'DB', '--file', join(folder, 'all.sql'))
    const before = valuesNow()

    const { said, code } = await run('revoke-all', '--local')

    expect({ said, code }).toMatchObject({ code: 0, said: expect.stringContaining('done  every session has ended') })
    const after = valuesNow()
    expect(after['SIGNING_KEYS']).not.toContain(kidIn(before['SIGNING_KEYS']))
    expect(before['SESSION_KEYS']).not.toContain(after['SESSION_KEYS'])
    expect(kids()).toHaveLength(1)
    const select = 'SELECT session_epoch AS epoch, token_version AS version, changed_at > 0 AS changed FROM users'
    const rows: unknown = JSON.parse(await wrangler('d1', 'execute', 'DB', '--json', '--command', select))
    expect(rows).toMatchObject([{ results: [{ epoch: 1, changed: 1 }] }])
    const marker = await wrangler('kv', 'key', 'get', 'marker:a', '--binding', 'MARKERS', '--text')
    expect(rows).toMatchObject([{ results: [{ version: Number(marker) }] }])
  }, 120_000)

  it.each([
    [['rotate']],
    [['revoke-all']],
    [['rotate', 'now', '--secrets-file', 'x']],
    [['revoke-all', '--secrets-file', 'x', '--local', '--remote']],
  ])('shows its usage for %j', (args) => {
    const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, expect.stringContaining('Usage: npm run keys')])
  })

  it('revokes nothing where it was not said which gateway', async () => {
    const before = readFileSync(secrets, 'utf8')
    expect(await run('revoke-all')).toMatchObject({ code: 1, said: expect.stringContaining('--remote or --local') })
    expect(readFileSync(secrets, 'utf8')).toBe(before)
  })
})

function kidIn(text: string | undefined): string {
  const { keys }: { keys: readonly { kid: string }[] } = JSON.parse(text ?? '')
  return keys[0]?.kid ?? 'none'
}
