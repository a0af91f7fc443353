// `npm run markers -- rebuild`: what is put, and a run of it on a database and a namespace of this machine.
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, describe, expect, it } from 'vitest'

import { planMarkers } from '../../bin/markers/plan.ts'
import type { Storage } from '../../bin/markers/rebuild.ts'
import { rebuild } from '../../bin/markers/rebuild.ts'
import { parseNames, parseUsers, parseValues } from '../../bin/markers/wrangler.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMAND = join(ROOT, 'bin', 'markers.ts')

describe('what a rebuild puts', () => {
  it.each([
    ['written', 'no marker', null, '200'],
    ['written', 'a marker that is no number', 'NaN', '200'],
    ['written', 'an empty marker', '', '200'],
    ['written', 'a marker with a leading zero', '0100', '200'],
    ['written', 'a negative marker', '-1', '200'],
    ['raised', 'a lower marker', '199', '200'],
    ['raised', 'a lower marker of fewer digits that sorts behind as text', '30', '200'],
    ['raised', 'a marker of zero', '0', '200'],
    ['right', 'the same marker', '200', undefined],
    ['higher', 'a higher marker', '201', undefined],
    ['higher', 'a higher marker of more digits that sorts before as text', '1000', undefined],
  ] as const)('is counted as %s over %s', (state, _, marker, value) => {
    const { entries, tally } = planMarkers([{ userId: 'a', tokenVersion: 200 }], new Map([['marker:a', marker]]))
    expect(entries).toEqual(value === undefined ? [] : [{ key: 'marker:a', value }])
    expect(tally).toEqual({ written: 0, raised: 0, right: 0, higher: 0, [state]: 1 })
  })

  it('is each user by himself', () => {
    const users = ['a', 'b', 'c', 'd'].map((userId) => ({ userId, tokenVersion: 200 }))
    const markers = new Map([
      ['marker:b', '100'],
      ['marker:c', '200'],
      ['marker:d', '300'],
    ])
    expect(planMarkers(users, markers)).toEqual({
      entries: [
        { key: 'marker:a', value: '200' },
        { key: 'marker:b', value: '200' },
      ],
      tally: { written: 1, raised: 1, right: 1, higher: 1 },
    })
  })
})

interface Fake extends Storage {
  readonly users: Map<string, number>
  readonly kv: Map<string, string>
  readonly asked: readonly string[][]
}

/** D1 and KV in memory; `meanwhile` happens in each put, before it is done. */
function createFake(
  users: ReadonlyMap<string, number>,
  kv: ReadonlyMap<string, string>,
  meanwhile: (fake: Pick<Fake, 'users' | 'kv'>) => void = noop,
): Fake {
  const fake = { users: new Map(users), kv: new Map(kv) }
  const asked: string[][] = []
  return {
    ...fake,
    asked,
    listMarkers: async () => [...fake.kv.keys()],
    readMarkers: async (keys) => {
      asked.push([...keys])
      return new Map(keys.map((key) => [key, fake.kv.get(key) ?? null]))
    },
    putMarkers: async (entries) => {
      meanwhile(fake)
      for (const { key, value } of entries) fake.kv.set(key, value)
    },
    readUsers: async (after, limit) =>
      [...fake.users]
        .map(([userId, tokenVersion]) => ({ userId, tokenVersion }))
        .filter(({ userId }) => userId > after)
        .toSorted((one, other) => (one.userId < other.userId ? -1 : 1))
        .slice(0, limit),
  }
}

function noop(): void {
  return undefined
}

const users = new Map(Array.from({ length: 7 }, (_, at) => [`usr_${at}`, 100 + at]))
const whole = new Map([...users].map(([id, version]) => [`marker:${id}`, String(version)]))

describe('a rebuild', () => {
  it.each([1, 2, 3, 7, 8])('reaches every user in pages of %i', async (page) => {
    const fake = createFake(users, new Map())
    expect(await rebuild(fake, false, page)).toEqual({ written: 7, raised: 0, right: 0, higher: 0 })
    expect(fake.kv).toEqual(whole)
  })

  it('asks for no marker that is not there', async () => {
    const fake = createFake(users, new Map([['marker:usr_3', '1']]))
    await rebuild(fake, false, 4)
    expect(fake.asked.flat()).toEqual(['marker:usr_3'])
  })

  it('leaves the markers of other names alone', async () => {
    const fake = createFake(new Map(), new Map([['marker:gone', '5']]))
    await rebuild(fake, false)
    expect(fake.kv).toEqual(new Map([['marker:gone', '5']]))
  })

  it('changes nothing in a dry run', async () => {
    const fake = createFake(users, new Map([['marker:usr_3', '1']]))
    expect(await rebuild(fake, true)).toEqual({ written: 6, raised: 1, right: 0, higher: 0 })
    expect(fake.kv).toEqual(new Map([['marker:usr_3', '1']]))
  })

  it('puts again whom the gateway raised and published while it put', async () => {
    let times = 0
    const fake = createFake(users, new Map(), ({ users: current, kv }) => {
      times += 1
      if (times > 2) return
      current.set('usr_2', 500 + times)
      kv.set('marker:usr_2', String(500 + times))
    })
    await rebuild(fake, false)
    expect(fake.kv.get('marker:usr_2')).toBe('502')
  })

  it('leaves out nobody where a user is added while it puts', async () => {
    const fake = createFake(users, new Map(), ({ users: current }) => void current.set('usr_00', 900))
    await rebuild(fake, false, 3)
    expect(fake.kv).toEqual(new Map([...whole, ['marker:usr_00', '900']]))
  })
})

describe('what wrangler says', () => {
  it.each([
    ['on this machine', '{"marker:a":{"value":"17"},"marker:b":{"value":null}}'],
    ['deployed', '{"marker:a":"17","marker:b":null}'],
    ['deployed, without what is not there', '{"marker:a":"17"}'],
  ])('is read in its form %s', (_, text) => {
    expect(parseValues(text, ['marker:a', 'marker:b'])).toEqual([
      ['marker:a', '17'],
      ['marker:b', null],
    ])
  })

  it.each([
    ['names', () => parseNames('{}')],
    ['a name', () => parseNames('[{"id":"a"}]')],
    ['values', () => parseValues('[]', [])],
    ['a value', () => parseValues('{"a":17}', ['a'])],
    ['rows', () => parseUsers('[{"success":false}]')],
    ['a version', () => parseUsers('[{"results":[{"id":"a","token_version":"17"}]}]')],
  ])('stops the rebuild where it is not %s', (_, read) => {
    expect(read).toThrow(TypeError)
  })
})

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-markers-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs wrangler on the state beside the configuration, where `npm start` has it. */
async function wrangler(...args: readonly string[]): Promise<string> {
  const command = [join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js'), ...args, '--local']
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  return (await promisify(execFile)(process.execPath, command, { cwd: folder, env })).stdout
}

function write(name: string, content: unknown): string {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  return name
}

describe('npm run markers -- rebuild', () => {
  it('gives a database on this machine its markers again, lowers none, and leaves D1 alone', async () => {
    for (const name of ['wrangler.toml', 'schema.sql']) cpSync(join(ROOT, name), join(folder, name))
    mkdirSync(join(folder, 'src'))
    write('src/index.ts', 'export default {}')
    const quoted = `it''s;"--${'x'.repeat(40)}`
    const rows = [`('lost', 200, 200)`, `('behind', 200, 200)`, `('ahead', 200, 200)`, `('never', 200, NULL)`]
    const values = [...rows, `('${quoted}', 200, 200)`].map((row) => row.replace(/\)$/, ', 0, 0)'))
    const insert = `INSERT INTO users (id, token_version, published_version, created_at, changed_at) VALUES ${values.join()};
      INSERT INTO revoked_issuers (issuer, revocations) VALUES ('https://idp.example.com/', 300);`
    await wrangler('d1', 'execute', 'DB', '--file', write('a.sql', readFileSync(join(folder, 'schema.sql')) + insert))
    const before = ['behind 150', 'ahead 250', 'ghost 5'].map((pair) => pair.split(' '))
    const puts = before.map(([id, value]) => ({ key: `marker:${id}`, value }))
    await wrangler('kv', 'bulk', 'put', write('puts.json', puts), '--binding', 'MARKERS')

    const args = [COMMAND, 'rebuild', '--local', '--config', join(folder, 'wrangler.toml')]
    const { stdout } = await promisify(execFile)(process.execPath, args)

    expect(stdout).toContain('6 markers: 4 written, 1 raised, 0 already right, 1 higher than D1 and left alone.')
    const ids = [
      'lost',
      'behind',
      'ahead',
      'never',
      quoted.replace("''", "'"),
      'ghost',
      'issuer https://idp.example.com/',
    ]
    const keys = write(
      'keys.json',
      ids.map((id) => `marker:${id}`),
    )
    const kept = parseValues(
      await wrangler('kv', 'bulk', 'get', keys, '--binding', 'MARKERS'),
      ids.map((id) => `marker:${id}`),
    )
    expect(kept.map(([, value]) => value)).toEqual(['200', '200', '250', '200', '200', '5', '300'])
    const select = `SELECT count(*) AS users, sum(published_version) AS published FROM users`
    const counted: unknown = JSON.parse(await wrangler('d1', 'execute', 'DB', '--json', '--command', select))
    expect(counted).toMatchObject([{ results: [{ users: 5, published: 800 }] }])
  }, 180_000)

  it.each([[[]], [['remake']], [['rebuild', 'all']], [['rebuild', '--local', '--remote']], [['rebuild', '--lower']]])(
    'shows its usage for %j',
    (args) => {
      const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' })
      expect(status).toBe(2)
      expect(stderr).toContain('Usage: npm run markers -- rebuild')
    },
  )

  it('ends with an error, in wrangler’s words, where wrangler fails', () => {
    const config = join(folder, 'broken.toml')
    writeFileSync(config, 'name = "x"\n')
    const args = [COMMAND, 'rebuild', '--local', '--config', config]
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('No KV namespaces are configured')
    expect(stdout).toBe('')
  })
})
