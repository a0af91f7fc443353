// What `npm start` prints when all is well: who can sign in, and lines to try that run one after another as they stand.
import { localOrigin } from './configuration.ts'
import { LOG_FILE } from './gateway.ts'
import { DEMO_USER } from './seed.ts'

export interface Scene {
  readonly port: number
  /** Origin of the demo API, where it runs. */
  readonly demo: string | null
  readonly upstream: string | null
  readonly authPath: string
  readonly passwords: boolean
}

interface Step {
  readonly says: string
  readonly run: string
}

/** Lines to run are the ones that begin with four spaces. */
export function guide(scene: Scene): string {
  const origin = localOrigin(scene.port)
  return [
    '',
    `Gatehouse: ${origin}`,
    `Behind it: ${behind(scene)}`,
    ...(scene.demo === null ? [] : [`In the browser: ${origin}/`]),
    ...(scene.passwords ? tour(scene, origin) : []),
    '',
    'URLs:',
    ...(scene.passwords ? pages(scene, origin) : []),
    `  who you are     ${origin}${scene.authPath}/session`,
    `  its keys        ${origin}/.well-known/jwks.json`,
    `  its health      ${origin}${scene.authPath}/health`,
    '',
    `Routes and rules are in wrangler.toml. Why a request was refused is in ${LOG_FILE}, under its request_id.`,
    'Ctrl-C ends everything; the data stays.',
  ].join('\n')
}

function pages({ authPath }: Scene, origin: string): readonly string[] {
  return [`  sign in         ${origin}${authPath}/sign-in`, `  your account    ${origin}${authPath}/account`]
}

function behind({ demo, upstream }: Scene): string {
  if (demo !== null) return `${demo} (the demo API, examples/demo-api.mjs)`
  return upstream ?? 'what wrangler.toml names'
}

function tour(scene: Scene, origin: string): readonly string[] {
  const steps = [
    ...signIn(scene, origin),
    ...(scene.demo === null ? ownSteps(scene, origin) : demoSteps(scene, origin)),
  ]
  return [
    `Demo user: ${DEMO_USER.email}, password: ${DEMO_USER.password}`,
    '',
    'Try, in another terminal:',
    ...steps.flatMap(({ says, run }) => ['', `  ${says}`, `    ${run}`]),
  ]
}

function signIn({ authPath }: Scene, origin: string): readonly Step[] {
  const body = JSON.stringify({ ...DEMO_USER, transport: 'token' })
  const token = `sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p'`
  const run = `TOKEN=$(curl -s ${origin}${authPath}/sign-in -H 'Content-Type: application/json' -d '${body}' | ${token})`
  return [{ says: 'Sign in and keep the access token:', run }]
}

function demoSteps({ authPath }: Scene, origin: string): readonly Step[] {
  return [
    { says: '200: the API answers, and shows what the gateway has told it of who asks.', run: call(`${origin}/me`) },
    { says: '200: the demo user has the scope "orders:read".', run: call(`${origin}/orders`) },
    { says: '401: nobody asks.', run: `curl -i ${origin}/orders` },
    { says: '200: a public route looks at no credential.', run: `curl -i ${origin}/public/hello` },
    { says: '403: the role "admin" is missing.', run: call(`${origin}/admin/report`) },
    {
      says: 'Sign out everywhere; effective_by says when each kind of route feels it.',
      run: signOut(origin, authPath),
    },
    {
      says: '200: revocation = "expiry" asks nobody: it trusts a token until it expires, 15 minutes at most.',
      run: call(`${origin}/prices`),
    },
    {
      says: '401: revocation = "session" asks the database each time, so it knows at once.',
      run: call(`${origin}/me`),
    },
    {
      says: '401: revocation = "marker", the default. On Cloudflare within isolate_ttl + kv_ttl as a rule; here at once.',
      run: call(`${origin}/orders`),
    },
  ]
}

function ownSteps({ authPath }: Scene, origin: string): readonly Step[] {
  return [
    { says: 'Your API answers, and the gateway has told it who asks.', run: call(`${origin}/`) },
    { says: '401: nobody asks.', run: `curl -i ${origin}/` },
    {
      says: 'Sign out everywhere; effective_by says when each kind of route feels it.',
      run: signOut(origin, authPath),
    },
    { says: '401: the same token, refused.', run: call(`${origin}/`) },
  ]
}

function call(url: string): string {
  return `curl -i ${url} -H "Authorization: Bearer $TOKEN"`
}

function signOut(origin: string, authPath: string): string {
  return `curl -i -X POST ${origin}${authPath}/sign-out-everywhere -H "Authorization: Bearer $TOKEN"`
}
