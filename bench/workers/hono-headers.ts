// A pass-through in Hono as its documentation shows one: who asks is told to the upstream, `Authorization` is kept from it.

import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

import type { Setting } from './pass.ts'

const app = new Hono<Setting<object>>()

app.all('*', ({ env, req }) =>
  proxy(env.UPSTREAM + req.path, {
    raw: req.raw,
    headers: {
      ...req.header(),
      'X-Forwarded-For': req.header('CF-Connecting-IP'),
      'X-Forwarded-Host': req.header('Host'),
      Authorization: undefined,
    },
  }),
)

export default app
