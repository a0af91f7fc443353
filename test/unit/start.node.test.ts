// `npm start` in a copy of the tree, as a newcomer lives through it: start, the printed lines, Ctrl-C, start again.
import type { ChildProcess } from 'node:child_process'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { localConfiguration } from '../../bin/start/configuration.ts'
import { findFree, requireFree } from '../../bin/start/ports.ts'
import { parseSettings } from '../../bin/start/settings.ts'
import { formatSessionToken } from '../../src/sessions/session-token.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COPIED = [
  'bin',
  'client',
  'examples',
  'src',
  'migrations',
  'wrangler.toml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
]

const tree = join(realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-start-'))), 'tree')
const started: ChildProcess[] = []
/** Every process seen below those, so that a test that finds survivors leaves none itself. */
const seenProcesses: number[] = []

interface Started {
  readonly child: ChildProcess
  readonly output: string
}

beforeAll(() => {
  for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
})

afterEach(async () => {
  const alive = started.splice(0).filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  await Promise.all(alive.map((child) => interrupt(child)))
  for (const row of psOf(seenProcesses.splice(0))) process.kill(Number.parseInt(row, 10), 'SIGKILL')
})

afterAll(() => rmSync(join(tree, '..'), { recursive: true }))

/** Starts and waits until everything is printed, or until it gives up. */
async function start(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [join('bin', 'start.mjs'), ...args], {
    cwd: tree,
    env: { ...process.env, UPSTREAM: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  const chunks: string[] = []
  const done = new Promise<void>((resolve) => {
    const listen = (chunk: Buffer) => {
      chunks.push(chunk.toString())
      if (chunks.join('').includes('Ctrl-C ends everything')) resolve()
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.on('close', () => resolve())
  })
  await done
  return { child, output: chunks.join('') }
}

/** Ctrl-C, and the exit code. */
async function interrupt(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  await ended
  return child.exitCode
}

/** Runs the printed lines in one shell, and gives what each answered. */
async function runPrinted(output: string): Promise<readonly string[]> {
  const lines = output.split('\n').filter((line) => /^ {4}\S/.test(line))
  const script = lines.map((line) => `${line}\nprintf '\\n-- next --\\n'\n`).join('')
  const { stdout } = await promisify(execFile)('sh', ['-c', script], { env: { ...process.env, NO_PROXY: '*' } })
  return stdout.split('\n-- next --\n').slice(1, -1)
}

function statusesOf(answers: readonly string[]): readonly number[] {
  return answers.map((answer) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]))
}

/** Every process that a process has started, and those started in their turn. */
function descendantsOf(pid: number | undefined): readonly number[] {
  const rows = execFileSync('ps', ['-e', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  const pairs = rows.map((row) => row.trim().split(/\s+/).map(Number))
  const children = pairs.flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))
  return children.concat(children.flatMap((child) => descendantsOf(child)))
}

/** Those that are still there after a moment; the dead that nobody has asked for do not count. */
async function survivorsOf(pids: readonly number[]): Promise<readonly string[]> {
  const deadline = Date.now() + 10_000
  let alive = psOf(pids)
  while (alive.length > 0 && Date.now() < deadline) {
    await sleep(100)
    alive = psOf(pids)
  }
  return alive
}

function psOf(pids: readonly number[]): readonly string[] {
  const rows = execFileSync('ps', ['-e', '-o', 'pid=,stat=,args='], { encoding: 'utf8' }).trim().split('\n')
  return rows.filter((row) => pids.includes(Number.parseInt(row, 10)) && !/^\s*\d+\s+Z/.test(row))
}

async function freePort(): Promise<number> {
  const server = createSocketServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server.address())
  server.close()
  await once(server, 'close')
  return port
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not a port')
  return address.port
}

function demoPortIn(output: string): number {
  return Number(/Behind it: http:\/\/localhost:(\d+) /.exec(output)?.[1])
}

async function signIn(origin: string): Promise<string> {
  const response = await fetch(`${origin}/auth/sign-in`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"email":"demo@example.com","password":"correct horse battery","transport":"token"}',
  })
  const { access_token: token }: { access_token?: string } = JSON.parse(await response.text())
  return token ?? ''
}

/** A user and a session as the first release wrote them. */
const FIRST_RELEASE_ROWS = `
INSERT INTO users (id, email, roles, scopes, claims, token_version, published_version, created_at, changed_at)
  VALUES ('usr_1', 'old@example.com', '["staff"]', '["orders:read"]', '{}', 7, 7, unixepoch() - 9000, unixepoch() - 9000);
INSERT INTO sessions (id, user_id, session_epoch, generation, rotated_at, created_at, last_seen_at, expires_at, auth_time, amr)
  VALUES ('ses_${'A'.repeat(22)}', 'usr_1', 0, 4, unixepoch() - 600, unixepoch() - 9000, unixepoch() - 600,
    unixepoch() + 9000, unixepoch() - 9000, '["pwd"]');
`

/** Runs SQL on the tree's own database, as `npm start` of the first release did. */
async function executeLocally(sql: string): Promise<void> {
  writeFileSync(join(tree, 'old.sql'), sql)
  const wrangler = join('node_modules', 'wrangler', 'bin', 'wrangler.js')
  const args = [wrangler, 'd1', 'execute', 'DB', '--local', '--yes', '--file', 'old.sql', '-c', 'wrangler.toml']
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' }
  await promisify(execFile)(process.execPath, args, { cwd: tree, env })
}

/** Where a browser ends up that goes there, and with which status. */
async function visit(url: string): Promise<string> {
  const format = ['-o', '/dev/null', '-w', '%{http_code} %{url_effective}']
  const { stdout } = await promisify(execFile)('curl', ['-sL', '-m', '10', ...format, '-H', 'Accept: text/html', url])
  return stdout
}

describe('npm start', () => {
  it(
    'prints lines that work as printed, ends without a trace on Ctrl-C, and keeps its data',
    { timeout: 120_000 },
    async () => {
      const port = await freePort()
      const origin = `http://localhost:${port}`
      const first = await start({ PORT: String(port) })
      const answers = await runPrinted(first.output)
      expect(statusesOf(answers)).toEqual([200, 200, 401, 200, 403, 200, 200, 401, 401])
      expect(answers[0]).toContain('"gatehouse-subject":"usr_demo"')
      expect(answers[0]).toContain('"verified":true')
      expect(answers[0]).toContain('"tenant":"acme"')
      expect(answers[5]).toContain('"effective_by"')
      const page = /In the browser: (\S+)/.exec(first.output)?.[1] ?? ''
      expect(await visit(page)).toBe(`200 ${origin}/auth/sign-in?return_to=%2F`)

      const secrets = readFileSync(join(tree, '.dev.vars'), 'utf8')
      expect(statSync(join(tree, '.dev.vars')).mode & 0o777).toBe(0o600)
      const token = await signIn(origin)

      const processes = descendantsOf(first.child.pid)
      seenProcesses.push(...processes)
      expect(processes.length).toBeGreaterThan(3)
      expect(await interrupt(first.child)).toBe(0)
      expect(await survivorsOf(processes)).toEqual([])
      await requireFree(port)
      await requireFree(demoPortIn(first.output))
      expect(existsSync(join(tree, '.wrangler.start.toml'))).toBe(false)

      const second = await start({ PORT: String(port) })
      const me = await fetch(`${origin}/me`, { headers: { Authorization: `Bearer ${token}` } })
      expect(me.status).toBe(200)
      expect(second.output).not.toContain('.dev.vars')
      expect(readFileSync(join(tree, '.dev.vars'), 'utf8')).toBe(secrets)
      expect(await signIn(origin)).not.toBe('')
      await interrupt(second.child)
    },
  )

  it(
    'puts UPSTREAM behind the gateway, and leaves nothing behind when it is killed',
    { timeout: 120_000 },
    async () => {
      const seen: (string | undefined)[] = []
      const api = createServer((request, response) => {
        seen.push(String(request.headers['gatehouse-subject']))
        response.end('mine')
      }).listen(0, '127.0.0.1')
      await once(api, 'listening')
      const { child, output } = await start({
        PORT: String(await freePort()),
        UPSTREAM: `http://localhost:${portOf(api.address())}`,
      })
      const answers = await runPrinted(output)
      api.close()
      expect(statusesOf(answers)).toEqual([200, 401, 200, 401])
      expect(answers[0]).toContain('mine')
      expect(seen).toEqual(['usr_demo'])
      expect(output).not.toContain('In the browser')

      const processes = descendantsOf(child.pid)
      seenProcesses.push(...processes)
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      expect(await survivorsOf(processes)).toEqual([])
    },
  )

  it('upgrades a database of the first release, whose sessions live on', { timeout: 120_000 }, async () => {
    rmSync(join(tree, '.wrangler'), { recursive: true, force: true })
    await executeLocally(readFileSync(join(tree, 'migrations', '0001_first_release.sql'), 'utf8') + FIRST_RELEASE_ROWS)
    const port = await freePort()
    const { child } = await start({ PORT: String(port) })
    const [, keys = ''] = /SESSION_KEYS='([\w-]+)'/.exec(readFileSync(join(tree, '.dev.vars'), 'utf8')) ?? []
    const session = { sessionId: `ses_${'A'.repeat(22)}`, generation: 4 }
    const refreshToken = formatSessionToken([Buffer.from(keys, 'base64url')], 'r', session)
    const response = await fetch(`http://localhost:${port}/auth/refresh`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token: refreshToken }),
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ scope: 'orders:read', refresh_token: expect.stringMatching(/\.5\./) })
    await interrupt(child)
  })

  it('names the port that is in use', async () => {
    const server = createSocketServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const port = portOf(server.address())
    const { child, output } = await start({ PORT: String(port) })
    server.close()
    expect(child.exitCode).toBe(1)
    expect(output).toContain(`Port ${port} is in use.`)
    expect(output).not.toContain('    at ')
  })

  it('tells what is wrong with the configuration, and ends', { timeout: 120_000 }, async () => {
    const toml = readFileSync(join(tree, 'wrangler.toml'), 'utf8')
    writeFileSync(join(tree, 'wrangler.toml'), toml.replace('access = "public"', 'access = "open"'))
    const { child, output } = await start({ PORT: String(await freePort()) })
    writeFileSync(join(tree, 'wrangler.toml'), toml)
    expect(child.exitCode).toBe(1)
    expect(output).toContain('ROUTES[0].access')
    expect(output).toContain('The configuration is wrong.')
  })
})

describe('the settings of npm start', () => {
  it('are the port 8787 and the demo API where nothing is said', () => {
    expect(parseSettings({}, [])).toEqual({ port: 8787, upstream: null, verbose: false })
  })

  it('keep the path of UPSTREAM', () => {
    const settings = parseSettings({ PORT: '9000', UPSTREAM: 'https://api.example.com/v2' }, ['--verbose'])
    expect(settings).toEqual({ port: 9000, upstream: 'https://api.example.com/v2', verbose: true })
  })

  it.each([
    [{ PORT: '0' }, [], 'PORT must be'],
    [{ PORT: '65536' }, [], 'PORT must be'],
    [{ PORT: '80a' }, [], 'PORT must be'],
    [{ UPSTREAM: 'localhost:3000' }, [], 'UPSTREAM must be'],
    [{ UPSTREAM: 'http://u:p@localhost:3000' }, [], 'UPSTREAM must be'],
    [{ UPSTREAM: 'http://localhost:3000/?a=b' }, [], 'UPSTREAM must be'],
    [{ UPSTREAM: 'http://localhost:8787' }, [], "gateway's own address"],
    [{ PORT: '80', UPSTREAM: 'http://127.0.0.1' }, [], "gateway's own address"],
    [{}, ['--loud'], 'Usage:'],
  ])('refuse %j %j', (env, args, message) => {
    expect(() => parseSettings(env, args)).toThrow(message)
  })
})

describe('the configuration of this machine', () => {
  const place = { origin: 'http://localhost:8787', demoOrigin: 'http://localhost:8788', upstream: null }
  const shipped = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')

  it('is wrangler.toml itself where nothing differs', () => {
    expect(localConfiguration(shipped, place)).toEqual({
      text: null,
      usesDemo: true,
      authPath: '/auth',
      passwords: true,
    })
  })

  it('has the local origin in place of a deployed one, and no custom domain', () => {
    const toml = `routes = [{ pattern = "a.example.com", custom_domain = true }]\nvars.ISSUER = "https://a.example.com"\nvars.AUTH_PATH = "/gate"`
    const { text, usesDemo, authPath, passwords } = localConfiguration(toml, place)
    expect(text?.trim()).toBe('[vars]\nISSUER = "http://localhost:8787"\nAUTH_PATH = "/gate"')
    expect({ usesDemo, authPath, passwords }).toEqual({ usesDemo: false, authPath: '/gate', passwords: false })
  })

  it('follows the demo API to another port, in every variable of routes, and leaves other upstreams alone', () => {
    const toml = `vars.ISSUER = "${place.origin}"
[[vars.ROUTES]]
path = "/a"
upstream = "http://localhost:8788"
[[vars.ROUTES_MORE]]
path = "/b"
upstream = "http://localhost:8788"
[[vars.ROUTES_MORE]]
path = "/c"
upstream = "http://localhost:9999"`
    const { text } = localConfiguration(toml, { ...place, demoOrigin: 'http://localhost:8790' })
    expect(text).toBe(localText(toml.replaceAll('8788', '8790')))
  })

  it('has one route where UPSTREAM is given', () => {
    const toml = `vars.ISSUER = "${place.origin}"\n[[vars.ROUTES_MORE]]\npath = "/b"\nupstream = "http://localhost:8788"`
    const { text, usesDemo } = localConfiguration(toml, { ...place, upstream: 'http://localhost:3000' })
    expect(text).toBe(
      localText(`vars.ISSUER = "${place.origin}"\n[[vars.ROUTES]]\npath = "/*"\nupstream = "http://localhost:3000"`),
    )
    expect(usesDemo).toBe(false)
  })

  it('says where wrangler.toml is no TOML', () => {
    expect(() => localConfiguration('a = ', place)).toThrow('wrangler.toml cannot be read')
  })

  /** The same TOML in the form in which it is written. */
  function localText(toml: string): string | null {
    const { text } = localConfiguration(`route = "dropped"\n${toml}`, place)
    return text
  }
})

describe('a port', () => {
  it('is passed over where it is in use or taken', async () => {
    const server = createSocketServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const busy = portOf(server.address())
    const found = await findFree(busy, busy + 1)
    server.close()
    expect(found).toBeGreaterThan(busy + 1)
  })
})
