// What a digest weighs as text, and what reading it costs an isolate.

export interface DigestSize {
  readonly users: number
  readonly entries: number
  readonly bytes: number
  readonly parseMilliseconds: number
}

/** Of `users`, each of whom changes once in `changeDays`, the digest of `windowSeconds`. */
export function measureDigest(users: number, changeDays: number, windowSeconds: number, cap: number): DigestSize {
  const entries = Math.min(cap, Math.round((users / (changeDays * 86_400)) * windowSeconds))
  const text = JSON.stringify({
    since: 1_790_000_000_000,
    as_of: 1_790_000_960_000,
    versions: Object.fromEntries(
      Array.from({ length: entries }, (_, user) => [subjectOf(user), 1_790_000_000_000 + user * 7]),
    ),
  })
  return { users, entries, bytes: text.length, parseMilliseconds: timeOf(() => JSON.parse(text)) }
}

/** As long and as scattered as the gateway's own. */
function subjectOf(user: number): string {
  return `usr_${Math.imul(user + 1, 0x9e3779b1)
    .toString(36)
    .padStart(11, 'Q')}${(user * 7919).toString(36).padStart(11, 'x')}`
}

/** The median of some runs. */
function timeOf(work: () => unknown): number {
  const times = Array.from({ length: 21 }, () => {
    const began = performance.now()
    work()
    return performance.now() - began
  })
  return times.toSorted((one, other) => one - other)[10] ?? 0
}
