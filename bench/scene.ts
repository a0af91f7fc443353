// What every contestant of a run finds: one upstream, one storage, the same keys, tokens and sessions.

import { cookieNames } from '../src/auth/cookies.ts'
import { randomText } from '../src/crypto.ts'
import { formatSessionToken } from '../src/sessions/session-token.ts'
import type { BetterAuth } from './better-auth.ts'
import { createBetterAuth } from './better-auth.ts'
import type { Contestant } from './contestants.ts'
import { ISSUER } from './issuer.ts'
import { startServer } from './processes.ts'
import { createStorage } from './storage.ts'
import type { HeaderList } from './supply.ts'
import { cookie } from './supply.ts'
import type { Tokens } from './tokens.ts'
import { createTokens } from './tokens.ts'
import { seedUsers, USERS } from './users.ts'

export interface Scene {
  readonly tokens: Tokens
  readonly sessionKey: string
  /** What browsers send that signed in at the gateway, one a user. */
  readonly browserCookies: readonly HeaderList[]
  readonly betterAuth: BetterAuth
  readonly upstreamPort: number
  readonly storagePort: number
  /** Where both tell what they have counted. */
  readonly countPorts: readonly number[]
}

export async function setScene(): Promise<Scene> {
  const [upstream, storage] = [startServer('servers/upstream.ts'), startServer('servers/storage.ts')]
  const storagePort = await storage.port('http')
  const tokens = await createTokens()
  const betterAuth = createBetterAuth()
  const writable = createStorage(storagePort)
  await seedUsers(writable)
  await writable.run(betterAuth.queries)
  const sessionKey = randomText(32)
  return {
    tokens,
    sessionKey,
    browserCookies: await signInBrowsers(tokens, sessionKey),
    betterAuth,
    upstreamPort: await upstream.port('http'),
    storagePort,
    countPorts: [await upstream.port('counts'), await storage.port('counts')],
  }
}

/** The access cookie and the session cookie of each user. */
async function signInBrowsers(tokens: Tokens, sessionKey: string): Promise<readonly HeaderList[]> {
  const keys = [Buffer.from(sessionKey, 'base64url')]
  const names = cookieNames(false)
  const accesses = await tokens.mintForMany(USERS.length)
  return USERS.map(({ session }, at) => {
    const token = formatSessionToken(keys, 'c', { sessionId: session, generation: 1 })
    return cookie(`theme=dark; ${names.session}=${token}; ${names.access}=${accesses[at]}`)
  })
}

/** By name, as in wrangler.toml. */
export type Vars = Readonly<Record<string, unknown>>

/** What a contestant's Worker gets as `[vars]` and secrets; `defaults` are for every gateway that does not say otherwise. */
export function varsOf({ program, vars }: Contestant, scene: Scene, defaults: Vars): Vars {
  return program === 'gatehouse' ? { ...defaults, ...varsOfGatehouse(scene), ...vars } : varsOfOthers(scene)
}

function varsOfGatehouse({ tokens, sessionKey, upstreamPort }: Scene): Vars {
  const upstream = `http://127.0.0.1:${upstreamPort}`
  return {
    ISSUER,
    SIGNING_KEYS: tokens.signingKeys,
    SESSION_KEYS: sessionKey,
    ROUTES: [
      { path: '/public/*', upstream, access: 'public' },
      { path: '/open/*', upstream, access: 'optional' },
      { path: '/orders/*', upstream, scopes: ['orders:read'] },
      { path: '/accounts/*', upstream, scopes: ['orders:read'], revocation: 'session' },
    ],
  }
}

function varsOfOthers({ tokens, betterAuth, upstreamPort }: Scene): Vars {
  return {
    UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
    JWKS: tokens.publicJwks,
    RSA_PEM: tokens.publicPems.RS256,
    BETTER_AUTH_SECRET: betterAuth.secret,
  }
}
