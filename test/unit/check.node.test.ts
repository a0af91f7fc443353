// `npm run check`: what it prints of a wrangler file, and how it ends.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { parse } from 'smol-toml'
import { afterAll, describe, expect, it } from 'vitest'

import { checkConfiguration, type CheckReport } from '../../bin/check/report.ts'
import { siteOf } from '../../bin/check/site.ts'

const ROOT = join(import.meta.dirname, '../..')
const SECRETS = {
  SIGNING_KEYS: JSON.stringify({ keys: [{ kty: 'OKP', kid: 'k', alg: 'Ed25519', d: 'x' }] }),
  SESSION_KEYS: 'A'.repeat(43),
}

/** The whole file of DESIGN §3. */
const SMALLEST = `
name = "gatehouse"
main = "src/index.ts"
compatibility_date = "2026-08-01"
compatibility_flags = ["nodejs_compat"]
routes = [{ pattern = "api.example.com", custom_domain = true }]
d1_databases = [{ binding = "DB", database_name = "gatehouse" }]
kv_namespaces = [{ binding = "MARKERS" }]
triggers = { crons = ["* * * * *"] }
vars.ISSUER = "https://api.example.com"
[[vars.ROUTES]]
path = "/*"
upstream = "https://origin.example.com"
`

function check(toml: string, secrets: Readonly<Record<string, unknown>> | null = SECRETS): CheckReport {
  return checkConfiguration({ name: 'wrangler.toml', toml: parse(toml), secrets, now: Date.UTC(2026, 10, 1) / 1000 })
}

/** The lines after a headline. */
function after({ text }: CheckReport, headline: string): readonly string[] {
  const [, lines = ''] = text.split(`${headline}\n`)
  return lines === '' ? [] : lines.split('\n').map((line) => line.trim())
}

const warnings = (toml: string) => after(check(toml), 'Warnings:')
const problems = (toml: string, secrets?: Readonly<Record<string, unknown>>) =>
  after(check(toml, secrets), 'wrangler.toml would not serve:')

const NOBODY =
  'nobody can sign in: PASSWORDS.sign_in is off, there are no PROVIDERS, no route has session_control or takes tokens of an ISSUERS entry'

/** Another route in the smallest file. */
function withRoute(members: string, rest = ''): string {
  return `${SMALLEST.replace('[[vars.ROUTES]]', `${rest}\n[[vars.ROUTES]]`)}\n[[vars.ROUTES]]\n${members}\n`
}

describe('the smallest file', () => {
  it('is good, but nobody can sign in', () => {
    expect(check(SMALLEST)).toMatchObject({ exitCode: 0 })
    expect(warnings(SMALLEST)).toEqual([NOBODY])
  })

  it('is told which secrets a deployment needs where none are here', () => {
    const report = check(SMALLEST, null)
    expect(report.exitCode).toBe(0)
    expect(after(report, 'Warnings:').slice(1)).toEqual([
      'SIGNING_KEYS is not in .dev.vars: a deployment needs it by "wrangler secret put SIGNING_KEYS"',
      'SESSION_KEYS is not in .dev.vars: a deployment needs it by "wrangler secret put SESSION_KEYS"',
    ])
  })
})

describe('session control', () => {
  const [A, B] = ['https://a.example.net', 'https://b.example.net']
  type Line = readonly [path: string, upstream: string, control: string]
  const route = ([path, upstream, control]: Line) =>
    `[[vars.ROUTES]]\npath = "${path}"\nupstream = "${upstream}"\nsession_control = ${control}\n`
  const file = (...lines: readonly Line[]) => `${SMALLEST}\n${lines.map(route).join('\n')}`
  const SHARED =
    'ROUTES[1] (/a) and ROUTES[2] (/b) control sessions for different upstreams in one space of user ids: give each a session_control.subject_prefix'

  it.each<[string, string, string, readonly string[]]>([
    ['true', B, 'true', [SHARED]],
    ['true', B, '{ administrators = false }', [SHARED]],
    ['{ subject_prefix = "x:" }', B, '{ subject_prefix = "x:" }', [SHARED]],
    ['true', A, 'true', []],
    ['{ subject_prefix = "a:" }', B, '{ subject_prefix = "b:" }', []],
    ['{ subject_prefix = "a:" }', B, 'true', []],
    [
      '{ administrators = true }',
      A,
      'true',
      ['ROUTES[1] (/a) may sign in administrators: session_control.administrators is true'],
    ],
  ])('%s beside %s with %s', (first, upstream, second, expected) => {
    expect(warnings(file(['/a', A, first], ['/b', upstream, second]))).toEqual(expected)
  })
})

describe('what the platform logs', () => {
  const INVOCATIONS =
    'observability.logs.invocation_logs is not false: Workers Logs keep the URL and headers of each request, password reset links among them'
  const QUERIES =
    'observability.redact_query_string is not true: traces keep query strings, password reset links among them'
  const LOGPUSH = 'logpush is true: leave the field Event out of the job, which has the URL and headers of each request'

  it.each<[string, readonly string[]]>([
    ['observability = { enabled = false }', []],
    ['observability = { enabled = true }', [INVOCATIONS]],
    ['observability = { enabled = true, logs = { invocation_logs = true } }', [INVOCATIONS]],
    ['observability = { enabled = true, logs = { invocation_logs = false } }', []],
    ['observability = { enabled = true, redact_query_string = true }', [INVOCATIONS]],
    ['observability = { logs = { enabled = true } }', [INVOCATIONS]],
    ['observability = { enabled = true, logs = { enabled = false } }', []],
    ['observability = { traces = { enabled = true } }', [QUERIES]],
    ['observability = { redact_query_string = true, traces = { enabled = true } }', []],
    ['logpush = true', [LOGPUSH]],
  ])('%s', (line, expected) => {
    expect(warnings(SMALLEST.replace('triggers', `${line}\ntriggers`))).toEqual([NOBODY, ...expected])
  })

  it.each(['wrangler.toml', 'README.md', 'docs/configuration.md'])('is nothing of a request in %s', (file) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    const on = text.match(/^ *(?:\[observability\]|observability = .*enabled = true.*)$/gm) ?? []
    expect(on.length).toBeGreaterThan(0)
    expect(text.match(/invocation_logs = false/g)?.length).toBe(on.length)
  })
})

describe('the shipped wrangler.toml', () => {
  const shipped = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')

  it('is good', () => {
    expect(check(shipped)).toMatchObject({ exitCode: 0 })
    expect(check(shipped).text).toContain('ROUTES[0]')
  })

  it('has no warning but that it is for development', () => {
    expect(warnings(shipped)).toEqual(['ISSUER is on localhost: good for development only'])
  })
})

describe('a file that would not serve', () => {
  it('is told every problem, bindings and secrets included', () => {
    const broken = SMALLEST.replace('"DB"', '"DATABASE"').replace('upstream =', 'upstrem =')
    const report = check(broken, { SESSION_KEYS: 'x' })
    expect(report.exitCode).toBe(1)
    expect(after(report, 'wrangler.toml would not serve:')).toEqual([
      'ROUTES[0].upstrem is an unknown key; did you mean upstream?',
      'ROUTES[0].upstream is required',
      'DB must be a D1 database binding',
      'SESSION_KEYS[0] must be 32 bytes as base64url without padding',
    ])
  })

  it('is told of a route’s binding that no table makes, and of one of another kind', () => {
    const services = 'services = [{ binding = "ORDERS", service = "orders" }]\nr2_buckets = [{ binding = "FILES" }]\n'
    const file = (binding: string) => `${services}${SMALLEST}binding = "${binding}"\n`
    expect(problems(file('ORDERS'))).toEqual([])
    expect(problems(file('FILES'))).toEqual(['ROUTES[0].binding must name a service, mTLS or VPC binding'])
    expect(problems(file('NOBODY'))).toEqual(['ROUTES[0].binding must name a service, mTLS or VPC binding'])
  })

  it('is told of a secret of an issuer by its name and not its value', () => {
    const legacy =
      '[[vars.ISSUERS]]\nissuer = "https://old.example.com"\naudience = ["x"]\nsecret = "LEGACY"\naccept_until = 2027-03-01\n'
    const lines = problems(`${SMALLEST}${legacy}`, { ...SECRETS, LEGACY: 'too short' })
    expect(lines).toEqual(['LEGACY must be 32 bytes or more'])
  })
})

describe('the route table', () => {
  it('has the most specific first, in columns', () => {
    const file = withRoute(
      'path = "/orders/:tenant"\nmethods = ["GET"]\nhost = "api.example.com"\nupstream = "https://orders.example.net/v2"\n' +
        'scopes = ["a", "b"]\nroles = ["staff", "admin"]\nclaims = { tenant = ":tenant" }\nmax_auth_age = "90m"\n' +
        'credentials = ["bearer"]\non_outage = "allow"\nissuers = ["self", "https://idp.example.com/"]',
      '[[vars.ISSUERS]]\nissuer = "https://idp.example.com/"\naudience = ["x"]\nsubject_prefix = "idp:"',
    )
    const lines = check(file).text.split('\n').slice(2, 5)
    const demands =
      'issuer self or https://idp.example.com/; bearer; scope a and b; role staff or admin; tenant = :tenant; signed in within 90m'
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['KEY', 'METHODS', 'MATCHES', 'ACCESS', 'ASKS FOR', 'REVOCATION', 'UPSTREAM'],
      [
        'ROUTES[1]',
        'GET,HEAD',
        'api.example.com/orders/:tenant',
        'required',
        demands,
        'marker, allow on outage',
        'https://orders.example.net/v2',
      ],
      ['ROUTES[0]', 'all', '/*', 'required', '-', 'marker', 'https://origin.example.com/'],
    ])
    expect(new Set(lines.map((line) => line.search(/UPSTREAM|https:\/\/o/))).size).toBe(1)
  })
})

describe('a warning', () => {
  const upstream = 'upstream = "https://origin.example.com"'

  it.each([
    [
      'tells methods that never fall through',
      withRoute(`path = "/orders/*"\nmethods = ["GET"]\n${upstream}`),
      'ROUTES[1] (/orders/*) takes only GET, HEAD: other methods get 405 and never fall through to ROUTES[0] (/*)',
    ],
    [
      'tells a route that never wins',
      withRoute(`path = "/"\n${upstream}\n[[vars.ROUTES]]\npath = "/:a/*"\n${upstream}`),
      'ROUTES[0] (/*) never wins: ROUTES[1] (/) and ROUTES[2] (/:a/*) take everything',
    ],
    [
      'tells a public route around a closed one',
      withRoute(`path = "/admin/*"\n${upstream}`).replace('path = "/*"', 'path = "/*"\naccess = "public"'),
      'ROUTES[0] (/*) is public around ROUTES[1] (/admin/*): what those do not match passes without a credential',
    ],
    [
      'tells a route that only observes',
      withRoute(`path = "/a"\naccess = "observe"\n${upstream}`),
      'ROUTES[1] (/a) only observes: every request passes',
    ],
    [
      'warns of a route that takes API keys without a limit',
      withRoute(`path = "/a"\ncredentials = ["bearer", "api-key"]\n${upstream}`),
      'ROUTES[1] (/a) takes API keys and has no rate_limit: each bogus key asks the database',
    ],
    [
      'warns of a route that needs a scope of the gateway',
      withRoute(`path = "/a"\nscopes = ["a", "gatehouse:admin"]\n${upstream}`),
      'ROUTES[1] (/a) needs the scope gatehouse:admin: a session has it only if its sign-in asked for it by name',
    ],
    [
      'tells an upstream in the clear',
      withRoute('path = "/a"\nupstream = "http://origin.example.com"'),
      'ROUTES[1].upstream is http: identities travel in the clear',
    ],
    [
      'tells an upstream on ISSUER’s host',
      withRoute('path = "/a"\nupstream = "https://api.example.com:8443"'),
      'ROUTES[1].upstream has a host of the gateway itself: requests may come back to it',
    ],
    [
      'tells an upstream on another host that the gateway serves',
      withRoute('path = "/a"\nupstream = "https://b.example.com"').replace(
        '"api.example.com", custom_domain = true',
        '"*.example.com/*"',
      ),
      'ROUTES[1].upstream has a host of the gateway itself: requests may come back to it',
    ],
    [
      'tells an ISSUER that nothing brings here',
      SMALLEST.replace('pattern = "api.', 'pattern = "gate.'),
      "ISSUER has a host that no pattern of wrangler's routes serves",
    ],
    [
      'tells a host that nothing brings here',
      withRoute(`path = "/a"\nhost = "Other.example.com"\n${upstream}`),
      "ROUTES[1].host is one that no pattern of wrangler's routes serves",
    ],
    [
      'tells a web origin on another site',
      SMALLEST.replace(
        'vars.ISSUER',
        'vars.WEB_ORIGINS = ["https://app.example.com", "https://app.example.net"]\nvars.ISSUER',
      ),
      'WEB_ORIGINS[1] is on another site than ISSUER: browsers will not send SameSite=Lax cookies from it',
    ],
    [
      'tells an issuer whose time is over',
      `${SMALLEST}[[vars.ISSUERS]]\nissuer = "https://idp.example.com"\naudience = ["x"]\naccept_until = 2026-11-01`,
      'ISSUERS[0].accept_until is past: its tokens are refused',
    ],
    [
      'tells an issuer that no route names',
      `${SMALLEST}[[vars.ISSUERS]]\nissuer = "https://idp.example.com"\naudience = ["x"]`,
      'ISSUERS[0] is named by no route: its tokens pass nowhere',
    ],
    [
      'tells a secret in the open',
      SMALLEST.replace('vars.ISSUER', `vars.SESSION_KEYS = "${'A'.repeat(43)}"\nvars.ISSUER`),
      'SESSION_KEYS is in [vars], readable by everybody who sees the file: make it a secret',
    ],
    [
      'tells that workers.dev is on by default where there are no routes',
      SMALLEST.replace(/routes = .*/, ''),
      'workers_dev is not false: the gateway is also served on workers.dev',
    ],
    [
      'tells preview URLs',
      `preview_urls = true${SMALLEST}`,
      'preview_urls is not false: every version is also served on an address of its own',
    ],
    [
      'tells a pattern that covers a part of its host',
      SMALLEST.replace(/routes = .*/, 'routes = [{ pattern = "api.example.com/orders/*", zone_name = "example.com" }]'),
      'the pattern api.example.com/orders/* leaves other requests of its host to go past the gateway: use host/* or a custom domain',
    ],
    [
      'tells a pattern for http alone',
      SMALLEST.replace(/routes = .*/, 'routes = ["http://api.example.com/*"]'),
      'the pattern http://api.example.com/* leaves other requests of its host to go past the gateway: use host/* or a custom domain',
    ],
    ['tells a missing date', SMALLEST.replace(/compatibility_date.*/, ''), 'compatibility_date is missing'],
    ['tells a missing flag', SMALLEST.replace('nodejs_compat', 'x'), 'compatibility_flags must have "nodejs_compat"'],
    [
      'tells a missing cron',
      SMALLEST.replace('* * * * *', '*/5 * * * *'),
      'triggers.crons has no "* * * * *": markers that could not be published are not published again',
    ],
    [
      'tells smart placement',
      `placement.mode = "smart"${SMALLEST}`,
      'placement.mode is "smart": it moves the gateway away from its users',
    ],
    [
      'tells assets before the gateway',
      `assets = { directory = "x" }${SMALLEST}`,
      'assets are served before the gateway, to everybody, unless run_worker_first is true',
    ],
    [
      'tells environments',
      `${SMALLEST}[env.staging]\nname = "x"`,
      'env: environments inherit neither vars nor bindings; use one file for each instead',
    ],
    [
      'tells a variable that is too large',
      withRoute(
        Array.from({ length: 90 }, (_, index) => `path = "/p${index}"\n${upstream}`).join('\n[[vars.ROUTES]]\n'),
      ),
      'ROUTES is larger than the 5 KB that Workers allow: spread routes over several ROUTES_… variables',
    ],
  ])('%s', (_title, toml, warning) => {
    expect(warnings(toml)).toContain(warning)
    expect(warnings(SMALLEST)).not.toContain(warning)
  })

  it('does not speak of methods, sites and hosts that are in order', () => {
    const file = withRoute(
      `path = "/orders"\nmethods = ["GET"]\n${upstream}\n[[vars.ROUTES]]\npath = "/orders"\nmethods = ["POST"]\n${upstream}\n[[vars.ROUTES]]\npath = "/here"\nhost = "api.example.com"\n${upstream}`,
      'vars.PASSWORDS.sign_in = true\nvars.WEB_ORIGINS = ["https://app.example.com"]\nratelimits = [{ name = "SIGN_IN_LIMIT" }]',
    ).replace('path = "/*"', 'path = "/other"')
    expect(warnings(file)).toEqual([])
  })
})

describe('what a warning is about', () => {
  it('is not that nobody can sign in, where a provider does it, and its secret is asked for', () => {
    const provider = '[[vars.PROVIDERS]]\nid = "my-idp"\nissuer = "https://login.example.com"\nclient_id = "x"\n'
    const toml = `ratelimits = [{ name = "SIGN_IN_LIMIT" }]\n${SMALLEST}\n${provider}`
    expect(warnings(toml)).toEqual([
      'PROVIDER_MY_IDP_SECRET is not in .dev.vars: a deployment needs it by "wrangler secret put PROVIDER_MY_IDP_SECRET"',
    ])
  })

  it('is not that nobody can sign in, where an upstream with session_control does it', () => {
    const file = withRoute('path = "/login"\nupstream = "https://origin.example.com"\nsession_control = true')
    expect(warnings(file)).not.toContain(NOBODY)
  })

  it.each(['', 'host = "other.example.com"', 'host = "api.example.com.au"'])(
    'is no route of another host (%s)',
    (host) => {
      const file = withRoute(`path = "/a/*"\n${host}\nupstream = "https://origin.example.com"`)
        .replace('path = "/*"', 'path = "/*"\nhost = "api.example.com"\naccess = "public"')
        .replace('custom_domain = true }', 'custom_domain = true }, "other.example.com/*", "api.example.com.au/*"')
      expect(warnings(file)).toEqual([NOBODY])
    },
  )

  it.each([
    ['https://shop.co.uk', 'https://api.other.co.uk', true],
    ['https://app.shop.co.uk', 'https://api.shop.co.uk', false],
    ['https://one.workers.dev', 'https://two.workers.dev', true],
    ['http://localhost:3000', 'http://localhost:8787', false],
    ['http://127.0.0.1:3000', 'http://10.0.0.1', true],
    ['http://app.example.com', 'https://api.example.com', true],
  ])('is a site: %s and %s differ: %s', (left, right, differ) => {
    expect(siteOf(left) !== siteOf(right)).toBe(differ)
  })

  it('is no binding of an environment', () => {
    const staging = '[[env.staging.d1_databases]]\nbinding = "DB"\n'
    expect(problems(`${SMALLEST}${staging}`)).toEqual([])
    expect(problems(`${SMALLEST.replace(/d1_databases.*/, '')}${staging}`)).toEqual([
      'DB must be a D1 database binding',
    ])
  })
})

describe('npm run check', () => {
  const folder = mkdtempSync(join(tmpdir(), 'check-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Runs the command on a file of these contents. */
  async function run(toml: string, devVars = ''): Promise<{ readonly code: number; readonly output: string }> {
    writeFileSync(join(folder, 'wrangler.staging.toml'), toml)
    writeFileSync(join(folder, '.dev.vars'), devVars)
    const args = [join(ROOT, 'bin/check.ts'), '--config', join(folder, 'wrangler.staging.toml')]
    return new Promise((resolve) => {
      execFile(process.execPath, args, (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: `${stdout}${stderr}` })
      })
    })
  }

  it('ends with 0 on a file that serves, with the secrets beside it', async () => {
    const { code, output } = await run(
      SMALLEST,
      `SIGNING_KEYS='${SECRETS.SIGNING_KEYS}'\nSESSION_KEYS="${SECRETS.SESSION_KEYS}"\n`,
    )
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('wrangler.staging.toml is good') })
    expect(output).not.toContain('.dev.vars')
  })

  it('ends with 1 on one that does not', async () => {
    const { code, output } = await run(SMALLEST.replace('https://origin', 'ftp://origin'))
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringContaining('ROUTES[0].upstream must be an https or http URL'),
    })
  })

  it('ends with 1 and the line on what is not TOML', async () => {
    const { code, output } = await run('vars = {')
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('The file is not TOML.') })
  })
})
