// Which subjects of other issuers are revoked, as far as this isolate has been told: all that may matter, bounded.

/** What is known of an issuer's revocations. Times are unix seconds of D1's clock, but for `askedAt`, which is ours. */
export interface Revocations {
  /** The version that all of this goes up to; 0 before there was one. */
  readonly version: number
  readonly readAt: number
  readonly askedAt: number
  /** Whatever was revoked from then on is among the subjects, each with the time up to which its tokens are refused. */
  readonly since: number
  readonly subjects: ReadonlyMap<string, number>
}

export interface RevokedSubjects {
  /** What this isolate knows, without asking anybody. */
  readonly find: (issuer: string) => Revocations
  /** Adds what D1 said. It is true for ever, so nothing that comes late takes anything back. */
  readonly learn: (issuer: string, said: Revocations) => void
}

/** Before an isolate has asked, it knows of nothing, and of everything that there is of version 0. */
const NOTHING: Revocations = { version: 0, readAt: 0, askedAt: -Infinity, since: 0, subjects: new Map() }

/** Subjects of one issuer that an isolate remembers, about 100 bytes each: the ones revoked last. */
export const MAX_SUBJECTS = 10_000

export function createRevokedSubjects(maxSubjects = MAX_SUBJECTS): RevokedSubjects {
  const known = new Map<string, Revocations>()
  const find = (issuer: string): Revocations => known.get(issuer) ?? NOTHING
  return {
    find,
    learn: (issuer, said) => void known.set(issuer, withinBounds(join(find(issuer), said), maxSubjects)),
  }
}

function join(known: Revocations, said: Revocations): Revocations {
  const subjects = new Map(known.subjects)
  for (const [subject, revokedAt] of said.subjects) {
    subjects.set(subject, Math.max(revokedAt, subjects.get(subject) ?? 0))
  }
  return {
    version: Math.max(known.version, said.version),
    readAt: Math.max(known.readAt, said.readAt),
    askedAt: Math.max(known.askedAt, said.askedAt),
    since: Math.max(known.since, said.since),
    subjects,
  }
}

/** Whoever was revoked in the second of the last one to be forgotten may be forgotten too. */
function withinBounds(revocations: Revocations, maxSubjects: number): Revocations {
  if (revocations.subjects.size <= maxSubjects) return revocations
  const newest = [...revocations.subjects].toSorted(([, one], [, other]) => other - one)
  const forgotten = newest[maxSubjects]?.[1] ?? Infinity
  const since = Math.max(revocations.since, forgotten + 1)
  return { ...revocations, since, subjects: new Map(newest.slice(0, maxSubjects)) }
}
