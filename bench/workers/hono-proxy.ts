// The plainest pass-through that a Hono user writes, without any auth.

import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

const app = new Hono<{ Bindings: { readonly UPSTREAM: string } }>()

app.all('*', ({ env, req }) => proxy(env.UPSTREAM + req.path, req.raw))

export default app
