// Nothing is waited for without a limit (DESIGN §8).

/** Milliseconds that KV, D1, a rate limit and the body of a request to the gateway itself are waited for. */
export const KV_LIMIT_MS = 500
export const D1_LIMIT_MS = 5000
export const RATE_LIMIT_MS = 1000
export const BODY_LIMIT_MS = 10_000

/**
 * What `work` gives, if it gives it within `limitMs` milliseconds.
 * Does NOT stop the work: what comes later is dropped.
 * @throws what `describe` makes of an Error that `isTimeLimit` knows, when the limit passes first, or of what `work` throws.
 */
export function withinTime<T>(
  work: Promise<T>,
  limitMs: number,
  describe = (cause: unknown): unknown => cause,
): Promise<T> {
  return new Promise((resolve, reject) => {
    function keep(value: T): void {
      clearTimeout(timer)
      resolve(value)
    }
    function fail(cause: unknown): void {
      clearTimeout(timer)
      reject(describe(cause))
    }
    const timer = setTimeout(() => fail(Object.assign(new Error('time limit'), { name: TIME_LIMIT })), limitMs)
    work.then(keep, fail)
  })
}

/** True for what `withinTime` throws when the limit passes first. */
export function isTimeLimit(error: unknown): boolean {
  return error instanceof Error && error.name === TIME_LIMIT
}

const TIME_LIMIT = 'TimeLimit'
