// Time, order and failure in a test's hand: every call to a binding waits until the schedule lets it go on.

import type { Scheduler } from 'fast-check'

/**
 * What may befall a call. `refused`: nothing is done, and it throws. `lost`: it is done, and throws. `hung` and `mute`:
 * the same without an answer. `dead before` and `dead after`: the caller stops for ever. `slow`: done much later.
 * `stale`: an old value.
 */
export const FAULTS = ['refused', 'lost', 'hung', 'mute', 'dead before', 'dead after', 'slow', 'stale'] as const
export type Fault = (typeof FAULTS)[number] | 'none'

/** The first call after `skip` that went well meets `fault`. */
export interface PlannedFault {
  readonly skip: number
  readonly fault: Fault
}

/** Milliseconds: a call, an answer and a way through the network each take no longer. */
export const LAG_MS = 3000
/** A put that was overtaken may still take effect for so long. */
export const SLOW_MS = 60_000

export type Schedule = ReturnType<typeof createSchedule>

interface Entry {
  readonly at: number
  readonly run: () => void
}

export function createSchedule(scheduler: Scheduler, planned: readonly PlannedFault[], startMs: number) {
  const agenda = new Set<Entry>()
  const state = { now: startMs, isInstant: false, isCalm: false, met: 0, disturbances: 0 }
  const faults = placeFaults(planned)
  const calls = { count: 0, latest: new Set<Entry>() }
  /** Of calls that nobody waits for. */
  const unnoticed = new Set<Entry>()

  function enter(delayMs: number, run: () => void): Entry {
    const entry = { at: state.now + delayMs, run }
    agenda.add(entry)
    return entry
  }

  function fire(entry: Entry): void {
    if (agenda.delete(entry)) entry.run()
  }

  function forget(entries: ReadonlySet<Entry>): void {
    for (const entry of entries) agenda.delete(entry)
  }

  /** Runs at some point of the schedule, and before `withinMs` milliseconds have passed. */
  function happen(label: string, withinMs: number, run: () => void): void {
    if (state.isInstant) return run()
    const entry = enter(withinMs, run)
    void scheduler.schedule(Promise.resolve(), label).then(() => fire(entry))
  }

  function nextFault(): Fault {
    if (state.isInstant || state.isCalm) return 'none'
    const fault = faults.get(calls.count) ?? 'none'
    calls.count += 1
    if (fault !== 'none') state.met += 1
    return fault
  }

  /** A call to a binding: it arrives, `work` is done, the answer comes back, each at a point of the schedule. */
  function call<T>(name: string, work: (fault: Fault) => T, slowMs = LAG_MS): Promise<T> {
    const fault = nextFault()
    const label = fault === 'none' ? name : `${name} (${fault})`
    const limits = new Set<Entry>()
    calls.latest = limits
    return new Promise<T>((resolve, reject) => {
      const answer = (tell: () => void) => happen(`answer of ${name}`, LAG_MS, tell)
      happen(label, fault === 'slow' ? slowMs : LAG_MS, () => {
        if (fault === 'dead before') return forget(limits)
        if (fault === 'hung') return
        if (fault === 'refused') return answer(() => reject(new Error('refused')))
        const result = attempt(() => work(fault))
        if (fault === 'dead after') return forget(limits)
        if (fault === 'mute') return
        if (fault === 'lost') return answer(() => reject(new Error('lost')))
        answer(() => ('error' in result ? reject(result.error) : resolve(result.value)))
      })
    })
  }

  /** Something on its way through the network: it arrives, or is lost, or arrives twice. */
  function deliver(label: string, arrive: () => void): void {
    const fault = nextFault()
    if (fault !== 'none' && fault !== 'stale' && fault !== 'slow') return
    happen(label, LAG_MS, arrive)
    if (fault === 'stale') happen(`${label}, once more`, LAG_MS, arrive)
  }

  /** In place of `setTimeout`: a time limit belongs to the call that was made just before, and dies with its caller. */
  function setTimer(run: () => void, delayMs: number): Entry {
    const isNoticed = calls.latest !== unnoticed
    const entry = enter(delayMs, () => {
      if (isNoticed) state.disturbances += 1
      run()
    })
    calls.latest.add(entry)
    calls.latest = new Set()
    return entry
  }

  /** Time passes: what must have happened by then happens on the way, in the order of its time. */
  async function pass(ms: number): Promise<void> {
    const until = state.now + ms
    for (let next = earliest(agenda, until); next !== null; next = earliest(agenda, until)) {
      state.now = Math.max(state.now, next.at)
      fire(next)
      await settle()
    }
    state.now = until
  }

  /** Runs until nothing waits any more; `check` after every step. */
  async function drain(check: () => void): Promise<void> {
    while (scheduler.count() > 0) {
      await scheduler.waitOne()
      await settle()
      check()
    }
  }

  return {
    nowMs: () => state.now,
    now: () => Math.floor(state.now / 1000),
    /** True where a call has failed or come too late so far. */
    isDisturbed: () => state.met > 0 || state.disturbances > 0,
    happen,
    call,
    deliver,
    setTimer,
    /** The call that is made now is waited for by nobody, and no disturbance where it is too slow. */
    unnoticed: () => void (calls.latest = unnoticed),
    sleepUntil: (unixSeconds: number) =>
      new Promise<void>((resolve) => {
        enter(Math.max(0, unixSeconds * 1000 - state.now), resolve)
      }),
    clearTimer: (entry: Entry | undefined) => entry !== undefined && agenda.delete(entry),
    pass,
    drain,
    /** No call fails from here on. */
    calm: () => void (state.isCalm = true),
    /** Calls are answered at once while `work` runs. */
    instantly: async (work: () => Promise<void>) => {
      state.isInstant = true
      await work()
      await settle()
      state.isInstant = false
    },
  }
}

/** By the number of the call that meets it. */
function placeFaults(planned: readonly PlannedFault[]): ReadonlyMap<number, Fault> {
  const places = new Map<number, Fault>()
  planned.reduce((at, { skip, fault }) => {
    places.set(at + skip, fault)
    return at + skip + 1
  }, 0)
  return places
}

export function attempt<T>(work: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}

function earliest(agenda: ReadonlySet<Entry>, until: number): Entry | null {
  let found: Entry | null = null
  for (const entry of agenda) if (entry.at <= until && (found === null || entry.at < found.at)) found = entry
  return found
}

/** Everything that was waiting for what has just happened goes on, up to its next call: a tick comes after all promises. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}
