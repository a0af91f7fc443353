// Hono's own middleware for JWTs, with keys that it is given: nothing is fetched.

import { Hono } from 'hono'
import { jwk } from 'hono/jwk'

import { ISSUER } from '../issuer.ts'
import type { Setting } from './pass.ts'
import { pass } from './pass.ts'

interface Variables {
  readonly JWKS: { readonly keys: JsonWebKey[] }
}

const app = new Hono<Setting<Variables>>()

app.use(
  jwk({
    keys: ({ env }) => env.JWKS.keys,
    alg: ['ES256'],
    verification: { typ: 'at+jwt', iss: ISSUER, aud: ISSUER },
  }),
)
app.all('*', pass)

export default app
