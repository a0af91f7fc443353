// The plainest pass-through that a Hono user writes, without any auth.

import { Hono } from 'hono'

import type { Setting } from './pass.ts'
import { pass } from './pass.ts'

const app = new Hono<Setting<object>>()

app.all('*', pass)

export default app
