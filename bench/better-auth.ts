// The users of better-auth: its tables as its own migration makes them, and the session cookies that it would have set.

import { createHmac, randomBytes } from 'node:crypto'

import type { Query } from './storage.ts'
import type { HeaderList } from './supply.ts'
import { cookie } from './supply.ts'
import { USERS } from './users.ts'

export interface BetterAuth {
  readonly secret: string
  readonly queries: readonly Query[]
  /** One a user. */
  readonly cookies: readonly HeaderList[]
}

export function createBetterAuth(): BetterAuth {
  const secret = randomBytes(32).toString('base64url')
  const sessions = USERS.map(({ id }) => ({ user: id, token: randomBytes(24).toString('base64url') }))
  return {
    secret,
    queries: [
      ...TABLES.map((sql) => ({ sql, params: [] })),
      ...sessions.flatMap(({ user, token }) => [insertUser(user), insertSession(token, user)]),
    ],
    cookies: sessions.map(({ token }) => cookie(sessionCookie(token, secret))),
  }
}

/** HMAC-SHA-256 in base64, percent-encoded: what better-call's signed cookies look like. */
function sessionCookie(token: string, secret: string): string {
  const mac = createHmac('sha256', secret).update(token).digest('base64')
  return `__Secure-better-auth.session_token=${encodeURIComponent(`${token}.${mac}`)}`
}

const TABLES = [
  `CREATE TABLE "user" ("id" text NOT NULL PRIMARY KEY, "name" text NOT NULL, "email" text NOT NULL UNIQUE,
     "emailVerified" integer NOT NULL, "image" text, "createdAt" date NOT NULL, "updatedAt" date NOT NULL)`,
  `CREATE TABLE "session" ("id" text NOT NULL PRIMARY KEY, "expiresAt" date NOT NULL, "token" text NOT NULL UNIQUE,
     "createdAt" date NOT NULL, "updatedAt" date NOT NULL, "ipAddress" text, "userAgent" text,
     "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE)`,
  `CREATE INDEX "session_userId_idx" ON "session" ("userId")`,
  `CREATE TABLE "account" ("id" text NOT NULL PRIMARY KEY, "accountId" text NOT NULL, "providerId" text NOT NULL,
     "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE, "accessToken" text, "refreshToken" text,
     "idToken" text, "accessTokenExpiresAt" date, "refreshTokenExpiresAt" date, "scope" text, "password" text,
     "createdAt" date NOT NULL, "updatedAt" date NOT NULL)`,
  `CREATE TABLE "verification" ("id" text NOT NULL PRIMARY KEY, "identifier" text NOT NULL, "value" text NOT NULL,
     "expiresAt" date NOT NULL, "createdAt" date NOT NULL, "updatedAt" date NOT NULL)`,
] as const

function insertUser(id: string): Query {
  return {
    sql: `INSERT INTO "user" VALUES (?1, ?1, ?1 || '@bench.test', 1, NULL, ?2, ?2)`,
    params: [id, new Date().toISOString()],
  }
}

function insertSession(token: string, user: string): Query {
  const now = Date.now()
  const expiresAt = new Date(now + 7 * 86_400_000).toISOString()
  return {
    sql: `INSERT INTO "session" VALUES (?1, ?2, ?3, ?4, ?4, '203.0.113.7', 'bench', ?5)`,
    params: [`s_${user}`, expiresAt, token, new Date(now).toISOString(), user],
  }
}
