// better-auth's session check: the cookie's session is looked up in D1 at every request, as without its cookie cache.

import { betterAuth } from 'better-auth'
import { Hono } from 'hono'

import { ISSUER } from '../issuer.ts'
import type { Setting } from './pass.ts'
import { once, pass } from './pass.ts'

interface Variables {
  readonly DB: D1Database
  readonly BETTER_AUTH_SECRET: string
}

const app = new Hono<Setting<Variables>>()
const authOf = once(({ DB, BETTER_AUTH_SECRET }: Variables) =>
  betterAuth({ database: DB, baseURL: ISSUER, secret: BETTER_AUTH_SECRET, telemetry: { enabled: false } }),
)

app.use(async ({ env, req, text }, next) => {
  const found = await authOf(env).api.getSession({ headers: req.raw.headers })
  return found === null ? text('Unauthorized', 401) : next()
})
app.all('*', pass)

export default app
