// An Express API that believes only what its gateway has signed.
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const port = Number(process.env.PORT ?? 3000)
const gateway = process.env.GATEWAY ?? 'http://localhost:8787' // ISSUER in wrangler.toml
const origin = process.env.ORIGIN ?? `http://localhost:${port}` // of the route's `upstream` in wrangler.toml

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', gateway))
const rules = {
  issuer: gateway,
  audience: `upstream:${origin}`,
  typ: 'gatehouse+jwt',
  algorithms: ['ES256'],
  requiredClaims: ['sub', 'sub_id', 'exp'],
}

async function requireGatehouse(request, response, next) {
  try {
    const { payload } = await jwtVerify(request.get('Gatehouse-Assertion') ?? '', keys, rules)
    const { iss, sub } = payload.sub_id // a user is both: two issuers may use one `sub`
    request.identity = { ...payload, user: `${iss} ${sub}` }
  } catch {
    return response.status(401).json({ error: 'not through the gateway' })
  }
  return next()
}

const app = express()
app.use(requireGatehouse)
app.get('/hello', (request, response) => {
  response.json({ hello: request.identity.sub, roles: request.identity.roles })
})
app.listen(port, '127.0.0.1', () => console.log(`listening on ${origin}`))
