// What most people write: `jwtVerify` of jose, by a key set that is at hand.

import { Hono } from 'hono'
import { createLocalJWKSet, jwtVerify } from 'jose'
import type { JSONWebKeySet } from 'jose'

import { ISSUER } from '../issuer.ts'
import type { Setting } from './pass.ts'
import { once, pass } from './pass.ts'

interface Variables {
  readonly JWKS: JSONWebKeySet
}

const CHECKS = { issuer: ISSUER, audience: ISSUER, algorithms: ['ES256'], typ: 'at+jwt' }

const app = new Hono<Setting<Variables>>()
const keysOf = once(({ JWKS }: Variables) => createLocalJWKSet(JWKS))

app.use(async ({ env, req, text }, next) => {
  const token = /^Bearer (.+)$/.exec(req.header('Authorization') ?? '')?.[1] ?? ''
  try {
    await jwtVerify(token, keysOf(env), CHECKS)
  } catch {
    return text('Unauthorized', 401)
  }
  return next()
})
app.all('*', pass)

export default app
