// Ticks: every `isolate_ttl` the cron puts what D1 says of recent changes, under a key that nobody has cached yet.

import type { Config } from '../config/config.ts'
import { runBatch } from '../database.ts'
import { describeFault } from '../log.ts'
import type { SignedText } from '../signed-text.ts'
import { parseDigestText, selectRecent } from './publication-store.ts'
import type { Publisher } from './publish.ts'
import { placeOfDigest, SLACK } from './recent.ts'

export interface Ticker extends Publisher {
  readonly config: Pick<Config, 'revocation' | 'tokens'>
  readonly signed: SignedText
  readonly now: () => number
  readonly sleepUntil: (unixSeconds: number) => Promise<void>
}

/** Seconds: the next run of the cron is due after a minute, and may be late. */
const DUE = 60
const LATEST = 75
/** Users of a digest, which takes a reader 10 ms. */
const CAP = 10_000

/**
 * Puts a digest at each multiple of `isolate_ttl` until the next run of the cron has surely begun.
 * Does NOT throw: a tick that fails is logged, and the next goes on.
 */
export async function tellRecent(ticker: Ticker, scheduledAt: number, cap = CAP): Promise<void> {
  const { config, now, sleepUntil } = ticker
  for (let tick = now() + 1; tick <= scheduledAt + LATEST; tick += 1) {
    // Of 0 nothing is a multiple; and nobody asks for a tick that is over.
    if (tick % config.revocation.isolateTtl !== 0 || tick < now()) continue
    // KV takes one write a second of a key: where the next run is there by now, this one comes after it.
    await sleepUntil(tick > scheduledAt + DUE ? tick + 1 : tick)
    await putTick(ticker, tick, cap)
  }
}

async function putTick({ db, markers, signed, log, config }: Ticker, tick: number, cap: number): Promise<void> {
  const { accessTtl, clockSkew } = config.tokens
  try {
    const [rows] = await runBatch(db, [selectRecent(db, accessTtl + clockSkew + 2 * SLACK, cap)])
    const digest = signed.sign(placeOfDigest(tick), parseDigestText(rows?.[0]))
    await markers.putDigest(tick, digest, DUE + config.revocation.isolateTtl)
  } catch (error) {
    log({ event: 'cron', reason: 'digest', ...describeFault(error) })
  }
}
