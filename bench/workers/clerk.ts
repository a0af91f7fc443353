// Clerk's `verifyToken` without the network: the instance's public key is given to it.

import { verifyToken } from '@clerk/backend'
import { Hono } from 'hono'

import { WEB_APP } from '../issuer.ts'
import type { Setting } from './pass.ts'
import { pass } from './pass.ts'

interface Variables {
  readonly RSA_PEM: string
}

const app = new Hono<Setting<Variables>>()

app.use(async ({ env, req, text }, next) => {
  const token = /^Bearer (.+)$/.exec(req.header('Authorization') ?? '')?.[1] ?? ''
  try {
    await verifyToken(token, { jwtKey: env.RSA_PEM, authorizedParties: [WEB_APP] })
  } catch {
    return text('Unauthorized', 401)
  }
  return next()
})
app.all('*', pass)

export default app
