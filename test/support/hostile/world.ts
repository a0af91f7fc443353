// The gateway that hostile requests meet, and people with good credentials.

import { hashPassword } from '../../../src/accounts/passwords.ts'
import { forge, hmacSigner } from '../forge.ts'
import type { Gateway } from '../gateway.ts'
import { ISSUER, startGateway } from '../gateway.ts'
import { startRecorders } from './recorder.ts'
import type { Credential, Who } from './request.ts'
import { IDP, IDP_SECRET, issuersOf, ROUTE_NAMES, routesTo } from './routes.ts'
import type { Site } from './walk.ts'

export const EMAIL = 'ada@example.com'
export const PASSWORD = 'correct horse battery'

export interface World {
  readonly gateway: Gateway
  readonly site: Site
  readonly people: People
}

export interface People {
  readonly user: Bearer
  readonly admin: Bearer
  /** Of another issuer. */
  readonly guest: Bearer
  readonly browser: Browser
}

export interface Bearer extends Credential {
  readonly who: Who
  readonly token: string
}

export interface Browser extends Credential {
  readonly who: Who
  readonly session: string
  readonly access: string
}

export async function startWorld(): Promise<World> {
  const recorders = await startRecorders(ROUTE_NAMES)
  const gateway = await startGateway({
    rateLimits: ['SIGN_IN_LIMIT'],
    vars: {
      PASSWORDS: { sign_in: true, sign_up: true },
      ROUTES: routesTo(recorders.origins),
      ...issuersOf(ISSUER),
    },
  })
  const jwks = JSON.parse((await gateway.send('/.well-known/jwks.json')).body.toString())
  const { port, log } = gateway
  return { gateway, site: { port, log, recorders, jwks }, people: await makePeople(gateway) }
}

const USER: Who = {
  subject: 'usr_1',
  issuer: ISSUER,
  session: 'ses_1',
  scope: 'orders:read orders:write',
  roles: ['staff'],
  tenant: 'acme',
}
const ADMIN: Who = { ...USER, subject: 'usr_2', session: 'ses_2', roles: ['staff', 'admin'], tenant: 'globex' }
const GUEST: Who = { ...USER, subject: 'guest|1', issuer: IDP, session: null, roles: [], tenant: null }

async function makePeople(gateway: Gateway): Promise<People> {
  for (const who of [USER, ADMIN]) await insertSession(gateway, who)
  return {
    user: bearer('a user', USER, await gateway.token(claimsOf(USER))),
    admin: bearer('an admin', ADMIN, await gateway.token(claimsOf(ADMIN))),
    guest: bearer('a guest', GUEST, await forge(hmacSigner(IDP_SECRET), guestClaims())),
    browser: await signIn(gateway),
  }
}

function bearer(name: string, who: Who, token: string): Bearer {
  return { name, lines: [`Authorization: Bearer ${token}`], who, token, secrets: [token] }
}

/** What the gateway finds where it does ask D1 about a token: a user and a session that is alive. */
async function insertSession({ db }: Gateway, { subject, session, scope, roles, tenant }: Who): Promise<void> {
  const profile = [JSON.stringify(roles), JSON.stringify(scope.split(' ')), JSON.stringify({ tenant })]
  await db
    .prepare(
      `INSERT INTO users (id, roles, scopes, claims, token_version, created_at, changed_at)
       VALUES (?1, ?2, ?3, ?4, 1, unixepoch(), 0)`,
    )
    .bind(subject, ...profile)
    .run()
  await db
    .prepare(
      `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time)
       VALUES (?1, ?2, 0, unixepoch(), unixepoch(), unixepoch(), unixepoch() + 3600, unixepoch())`,
    )
    .bind(session, subject)
    .run()
}

/** As the gateway's own tokens have them. */
export function claimsOf({ subject, session, scope, roles, tenant }: Who): Record<string, string | readonly string[]> {
  return {
    sub: subject,
    scope,
    roles,
    ...(session === null ? {} : { sid: session }),
    ...(tenant === null ? {} : { tenant }),
  }
}

export function guestClaims(changes: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const now = Math.floor(Date.now() / 1000)
  return { iss: IDP, sub: GUEST.subject, aud: ISSUER, iat: now, exp: now + 600, scope: GUEST.scope, ...changes }
}

/** By password, as a browser does. */
async function signIn(gateway: Gateway): Promise<Browser> {
  const who: Who = { ...USER, subject: 'usr_0000000000000000000001', session: null }
  await gateway.db
    .prepare(
      `INSERT INTO users (id, email, password_hash, roles, scopes, claims, token_version, created_at, changed_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, unixepoch(), 0)`,
    )
    .bind(
      who.subject,
      EMAIL,
      await hashPassword(PASSWORD),
      '["staff"]',
      JSON.stringify(who.scope.split(' ')),
      '{"tenant":"acme"}',
    )
    .run()
  const answer = await gateway.send('/auth/sign-in', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: ISSUER },
    body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
  })
  const [session = '', access = ''] = answer.headers
    .filter(([name]) => name.toLowerCase() === 'set-cookie')
    .map(([, line]) => line.split(';')[0]?.split('=')[1] ?? '')
  const described: unknown = JSON.parse(answer.body.toString())
  return browserOf({ ...who, session: sessionIdOf(described) }, session, access)
}

function sessionIdOf(described: unknown): string {
  const isSession = typeof described === 'object' && described !== null && 'session' in described
  if (!isSession || typeof described.session !== 'string') throw new TypeError('signing in has failed')
  return described.session
}

function browserOf(who: Who, session: string, access: string): Browser {
  const lines = [`Cookie: __Host-gatehouse_session=${session}; __Host-gatehouse_access=${access}`]
  return { name: 'a browser', who, session, access, lines, secrets: [session, access] }
}
