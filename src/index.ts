// The Worker's entry: requests, and the cron that repairs publications and tells of recent changes.

import type { App } from './app.ts'
import { createApp } from './app.ts'
import { writeLog } from './log.ts'
import type { Loaded } from './runtime.ts'
import { loadRuntime } from './runtime.ts'

type Env = Readonly<Record<string, unknown>>

interface Isolate {
  readonly loaded: Loaded
  readonly app: App
}

/** What an env was read into, kept as long as the isolate. Only what is done is kept: no request waits for another's work. */
const isolates = new WeakMap<Env, Isolate>()

async function loadIsolate(env: Env): Promise<Isolate> {
  const loaded = await loadRuntime(env)
  const isolate = isolates.get(env) ?? { loaded, app: createApp(loaded) }
  isolates.set(env, isolate)
  return isolate
}

export default {
  fetch(request, env, context) {
    const isolate = isolates.get(env)
    return isolate === undefined
      ? loadIsolate(env).then(({ app }) => app(request, context))
      : isolate.app(request, context)
  },
  async scheduled({ scheduledTime }, env) {
    const { loaded } = isolates.get(env) ?? (await loadIsolate(env))
    if (loaded.outcome === 'misconfigured') return writeLog({ event: 'misconfigured', problems: loaded.problems })
    const { tidy } = await import('./auth/cron.ts')
    await tidy(loaded.runtime, Math.floor(scheduledTime / 1000))
  },
} satisfies ExportedHandler<Env>
