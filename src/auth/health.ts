// Health: D1 and KV are asked, at most every five seconds, whoever asks us and however often.

import { probeDatabase } from '../database.ts'
import { describeFault } from '../log.ts'
import type { Runtime } from '../runtime.ts'

/** Seconds that an answer of D1 and KV is good for. */
const FRESH_FOR = 5

export type HealthCheck = (runtime: Runtime) => Promise<Response>

/** `GET /auth/health`: 200 where D1 and KV answer, else 503. A configuration that is wrong never gets here. */
export function createHealthCheck(): HealthCheck {
  const last = { checkedAt: Number.NEGATIVE_INFINITY, isHealthy: false }
  return async (runtime) => {
    if (runtime.now() - last.checkedAt >= FRESH_FOR) {
      last.isHealthy = await isHealthy(runtime)
      last.checkedAt = runtime.now()
    }
    const status = last.isHealthy ? 200 : 503
    return Response.json({ status: last.isHealthy ? 'ok' : 'unavailable' }, { status, headers: headersFor(status) })
  }
}

async function isHealthy({ db, markers, log }: Runtime): Promise<boolean> {
  try {
    await Promise.all([probeDatabase(db), markers.probe()])
    return true
  } catch (error) {
    log({ event: 'fault', reason: 'health', ...describeFault(error) })
    return false
  }
}

function headersFor(status: number): Record<string, string> {
  return status === 200 ? { 'Cache-Control': 'no-store' } : { 'Cache-Control': 'no-store', 'Retry-After': '5' }
}
