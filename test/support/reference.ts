// What sessions promise (DESIGN §6), as plain sequential TypeScript: no SQL, no storage, one step after another.

import type { Config } from '../../src/config/config.ts'
import type { PasswordChange, RaisedVersion } from '../../src/sessions/store.ts'

interface User {
  readonly id: string
  epoch: number
  version: number
  passwordHash: string
  roles: readonly string[]
  isDisabled: boolean
}

interface Session {
  readonly id: string
  readonly userId: string
  readonly createdAt: number
  epoch: number
  generation: number
  previous: number | null
  /** The current generation has been presented. */
  isPresented: boolean
  rotatedAt: number
  seenAt: number
  endReason: string | null
  /** Unix seconds at which its credential was replaced on purpose, and what is dead since then. */
  replaced: { readonly at: number; readonly generation: number; readonly version: number } | null
  /** The password hash that it was opened by. */
  proof: string
  /** A thief has presented a token of it. */
  isStolen: boolean
}

interface Raise {
  readonly userId: string
  readonly version: number
  /** Unix seconds. */
  readonly at: number
}

interface Opening {
  readonly sessionId: string
  readonly userId: string
  readonly checked: { readonly sessionEpoch: number; readonly passwordHash: string | null }
}

interface Presenting {
  readonly sessionId: string
  readonly generation: number
  readonly spacing: number
}

/** As much of an answer as can be foretold. */
export type Foretold = {
  /** What has to be published. */
  readonly raised?: readonly RaisedVersion[]
  readonly [member: string]: unknown
} | null

type Verdict = 'current' | 'rotated' | 'replayed' | 'superseded' | 'reused'

export type Reference = ReturnType<typeof createReference>

export function createReference({ sessions: limits }: Config, nowMs: () => number) {
  const users = new Map<string, User>()
  const sessions = new Map<string, Session>()
  const raises: Raise[] = []
  const now = () => Math.floor(nowMs() / 1000)
  const sessionsOf = (userId: string) => [...sessions.values()].filter((session) => session.userId === userId)

  function isAlive(session: Session): boolean {
    const user = users.get(session.userId)
    return session.endReason === null && !hasExpired(session) && user?.epoch === session.epoch && !user.isDisabled
  }

  function findAlive(sessionId: string): Session | null {
    const session = sessions.get(sessionId)
    return session !== undefined && isAlive(session) ? session : null
  }

  function raise(userId: string): readonly RaisedVersion[] {
    const user = users.get(userId)
    if (user === undefined) return []
    user.version = Math.max(user.version + 1, nowMs())
    raises.push({ userId, version: user.version, at: now() })
    return [{ userId, tokenVersion: user.version }]
  }

  function end(session: Session, reason: string): readonly RaisedVersion[] {
    session.endReason = reason
    return raise(session.userId)
  }

  /** `kept` goes on in the new epoch. */
  function endAllOf(userId: string, reason: string, kept: Session | null = null): readonly RaisedVersion[] {
    const user = users.get(userId)
    if (user !== undefined) user.epoch += 1
    for (const session of sessionsOf(userId)) if (session !== kept) session.endReason ??= reason
    return raise(userId)
  }

  function hasExpired({ createdAt, seenAt }: Session): boolean {
    return createdAt + limits.absoluteTimeout <= now() || seenAt + limits.idleTimeout <= now()
  }

  /** What a new epoch has left behind ends with whatever looks for it, a request that is refused too. */
  function endOfOldEpoch(userId: string, reason: string): null {
    const epoch = users.get(userId)?.epoch ?? 0
    for (const session of sessionsOf(userId)) if (session.epoch < epoch) session.endReason ??= reason
    return null
  }

  /** Each sign-in does, a refused one too. */
  function endExpired({ id, epoch }: User): void {
    const dead = sessionsOf(id).filter((session) => hasExpired(session) || session.epoch < epoch)
    for (const session of dead) session.endReason ??= 'expired'
  }

  function describe(session: Session): Foretold {
    const user = users.get(session.userId)
    return {
      alive: isAlive(session),
      generation: session.generation,
      tokenVersion: user?.version,
      roles: user?.roles,
    }
  }

  function rotate(session: Session, presented: number): void {
    session.previous = presented
    session.generation = Math.max(session.generation, presented) + 1
    session.isPresented = false
    session.rotatedAt = now()
    session.seenAt = now()
  }

  /** The table of DESIGN §6, a line a row. */
  function judge(session: Session, { generation, spacing }: Presenting): Verdict {
    const age = now() - session.rotatedAt
    if (generation === session.generation) return age >= spacing ? 'rotated' : 'current'
    if (generation > session.generation) return 'rotated'
    if (generation === session.previous && age <= limits.reuseGrace) return 'replayed'
    if (generation === session.previous && !session.isPresented) return 'rotated'
    const isLate = session.replaced === null || now() - session.replaced.at > limits.reuseGrace
    return isLate ? 'reused' : 'superseded'
  }

  return {
    users,
    sessions,
    /** Every version that was raised, in their order. */
    raises,
    isAlive: (sessionId: string) => findAlive(sessionId) !== null,

    open: ({ sessionId, userId, checked }: Opening, replaces: string | null): Foretold => {
      const user = users.get(userId)
      if (user === undefined) return null
      const isChanged = user.epoch !== checked.sessionEpoch || user.passwordHash !== checked.passwordHash
      if (user.isDisabled || isChanged) {
        endExpired(user)
        return null
      }
      const opened = createSession(sessionId, user, now())
      sessions.set(sessionId, opened)
      const replaced = sessions.get(replaces ?? '')
      if (replaced?.endReason === null) end(replaced, 'replaced')
      const surplus = sessionsOf(userId)
        .filter(isAlive)
        .toSorted((a, b) => a.createdAt - b.createdAt)
      const ended = surplus.slice(0, Math.max(0, surplus.length - limits.maxPerUser))
      for (const session of ended) session.endReason = 'limit'
      if (ended.length > 0) raise(userId)
      endExpired(user)
      return describe(opened)
    },

    find: (sessionId: string): Foretold => {
      const session = sessions.get(sessionId)
      return session === undefined ? null : describe(session)
    },

    present: (presenting: Presenting, isThief: boolean): Foretold => {
      const session = findAlive(presenting.sessionId)
      if (session === null) return { outcome: 'ended', raised: [] }
      session.isStolen ||= isThief
      const verdict = judge(session, presenting)
      if (verdict === 'reused') return { outcome: 'ended', raised: end(session, 'reuse') }
      if (verdict === 'superseded') return { outcome: 'superseded' }
      if (verdict === 'rotated') rotate(session, presenting.generation)
      if (verdict === 'current' && (!session.isPresented || session.seenAt + 60 <= now())) {
        session.isPresented = true
        session.seenAt = now()
      }
      return { outcome: verdict, ...describe(session) }
    },

    endOne: (sessionId: string, reason: string): Foretold => {
      const session = sessions.get(sessionId)
      if (session === undefined || session.endReason !== null) return { ended: 0, raised: [] }
      return { ended: 1, raised: end(session, reason) }
    },

    endDevice: (userId: string, sessionId: string): Foretold => {
      const session = findAlive(sessionId)
      if (session === null || session.userId !== userId) return { ended: 0, raised: [] }
      return { ended: 1, raised: end(session, 'by_owner') }
    },

    endAll: ({ sessionId, userId }: { readonly sessionId: string; readonly userId: string }): Foretold => {
      if (findAlive(sessionId) === null) return endOfOldEpoch(userId, 'everywhere')
      return { ended: sessionsOf(userId).filter(isAlive).length, raised: endAllOf(userId, 'everywhere') }
    },

    changePassword: (userId: string, { sessionId, from, to }: PasswordChange): Foretold => {
      const session = findAlive(sessionId)
      const user = users.get(userId)
      if (session === null || user?.passwordHash !== from) return endOfOldEpoch(userId, 'password')
      const ended = sessionsOf(userId).filter(isAlive).length - 1
      user.passwordHash = to
      const raised = endAllOf(userId, 'password', session)
      session.epoch += 1
      session.proof = to
      session.replaced = { at: now(), generation: session.generation, version: user.version }
      Object.assign(session, {
        generation: session.generation + 1,
        previous: null,
        isPresented: false,
        rotatedAt: now(),
      })
      return { ended, raised }
    },

    endAllOf: (userId: string): Foretold => ({ raised: endAllOf(userId, 'upstream') }),

    changeRoles: (userId: string, roles: readonly string[]): Foretold => {
      const user = users.get(userId)
      if (user === undefined || user.roles.join(' ') === roles.join(' ')) return { raised: [] }
      user.roles = roles
      return { raised: raise(userId) }
    },

    disable: (userId: string): Foretold => {
      const user = users.get(userId)
      if (user !== undefined) user.isDisabled = true
      if (user !== undefined) user.epoch += 1
      return { raised: raise(userId) }
    },

    enable: (userId: string): Foretold => {
      const user = users.get(userId)
      if (user !== undefined) user.isDisabled = false
      return { raised: [] }
    },
  }
}

function createSession(id: string, user: User, now: number): Session {
  return {
    id,
    userId: user.id,
    createdAt: now,
    epoch: user.epoch,
    generation: 1,
    previous: null,
    isPresented: false,
    rotatedAt: now,
    seenAt: now,
    endReason: null,
    replaced: null,
    proof: user.passwordHash,
    isStolen: false,
  }
}
