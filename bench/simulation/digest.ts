// A digest: what D1 said at one moment about who changed since another. Whatever happens to it later, it stays true.

export interface Digest {
  /** Everyone who changed from here on, up to `asOfMs`, is listed. D1's clock. */
  readonly sinceMs: number
  readonly asOfMs: number
  readonly versions: ReadonlyMap<number, number>
}

/** A commit that raised a user's token version; versions are D1's clock in milliseconds. */
export interface Commit {
  readonly user: number
  readonly version: number
  readonly atMs: number
}

/** D1 alone is the truth. */
export interface Truth {
  readonly commit: (user: number, atMs: number) => Commit
  readonly versionOf: (user: number) => number
  readonly digest: (asOfMs: number, windowMs: number, cap: number, includes: (user: number) => boolean) => Digest
  readonly changedSince: (sinceMs: number) => readonly Commit[]
}

export function createTruth(users: number): Truth {
  const versions = new Float64Array(users)
  const log: Commit[] = []

  return {
    commit: (user, atMs) => {
      const version = Math.max((versions[user] ?? 0) + 1, atMs)
      const commit = { user, version, atMs }
      versions[user] = version
      log.push(commit)
      return commit
    },
    versionOf: (user) => versions[user] ?? 0,
    changedSince: (sinceMs) => log.slice(log.findLastIndex(({ atMs }) => atMs < sinceMs) + 1),
    digest: (asOfMs, windowMs, cap, includes) => {
      const listed = new Map<number, number>()
      let sinceMs = asOfMs - windowMs
      for (let index = log.length - 1; index >= 0; index -= 1) {
        const commit = log[index]
        if (commit === undefined || commit.atMs < sinceMs) break
        if (!includes(commit.user) || listed.has(commit.user)) continue
        if (listed.size >= cap) {
          sinceMs = commit.atMs + 1
          break
        }
        listed.set(commit.user, commit.version)
      }
      return { sinceMs, asOfMs, versions: listed }
    },
  }
}
