// The steps that D1 decides, each held against the reference at the moment of its commit.

import type * as ControlBatch from '../../src/auth/control-batch.ts'
import type { ControlMember } from '../../src/auth/control-header.ts'
import type * as Lifecycle from '../../src/sessions/lifecycle.ts'
import type { Ended } from '../../src/sessions/lifecycle.ts'
import type * as Rotation from '../../src/sessions/rotation.ts'
import type { Presented } from '../../src/sessions/rotation.ts'
import type { Presentation, RaisedVersion, SessionState } from '../../src/sessions/store.ts'
import type { FakeD1 } from './fake-d1.ts'
import type { Foretold, Reference } from './reference.ts'

export interface Watcher {
  readonly d1: FakeD1
  readonly reference: Reference
  /** Whether what is done through this object is done by a thief. */
  readonly isThief: (through: object) => boolean
  readonly violate: (promise: string, detail: unknown) => void
  /** The session of an answer that gave its token out. */
  readonly handedOut: (session: SessionState) => void
  /** What a step has raised and has to be published. */
  readonly raised: (through: object, users: readonly RaisedVersion[]) => void
}

const watching: { watcher: Watcher | null } = { watcher: null }

export function watchWith(watcher: Watcher | null): void {
  watching.watcher = watcher
}

/** `real`, whose answer must be what the reference foretells at the moment of the commit. */
function watched<F extends object, A extends readonly unknown[], R>(
  name: string,
  real: (through: F, ...rest: A) => Promise<R>,
  foretell: (reference: Reference, isThief: boolean, ...rest: A) => Foretold,
  summarize: (answer: R) => Foretold,
): (through: F, ...rest: A) => Promise<R> {
  return async (through, ...rest) => {
    const { watcher } = watching
    if (watcher === null) return real(through, ...rest)
    const { d1, reference, violate } = watcher
    const expected: { value?: string } = {}
    const committed = () => {
      expected.value = JSON.stringify(foretell(reference, watcher.isThief(through), ...rest))
    }
    const answer = await d1.watch({ name, committed }, () => real(through, ...rest))
    const actual = summarize(answer)
    if (JSON.stringify(actual) !== expected.value) {
      violate(`${name} does what DESIGN §6 says`, { rest, expected: expected.value, actual })
    }
    watcher.raised(through, actual?.raised ?? [])
    return answer
  }
}

/** sessions/lifecycle, each of its steps watched. */
export function watchLifecycle(real: typeof Lifecycle): typeof Lifecycle {
  return {
    ...real,
    openSession: watched(
      'openSession',
      real.openSession,
      (reference, _, _limits, session, replaces) => reference.open(session, replaces),
      (opened) => (opened.outcome === 'refused' ? null : summarizeSession(opened.session)),
    ),
    findSession: watched('findSession', real.findSession, (reference, _, id) => reference.find(id), summarizeSession),
    endOne: watched('endOne', real.endOne, (reference, _, id, reason) => reference.endOne(id, reason), summarizeEnded),
    endAll: watched('endAll', real.endAll, (reference, _, session) => reference.endAll(session), summarizeEnded),
    endDevice: watched(
      'endDevice',
      real.endDevice,
      (reference, _, userId, sessionId) => reference.endDevice(userId, sessionId),
      summarizeEnded,
    ),
    changePassword: watched(
      'changePassword',
      real.changePassword,
      (reference, _, userId, change) => reference.changePassword(userId, change),
      summarizeEnded,
    ),
  }
}

export function watchRotation(real: typeof Rotation): typeof Rotation {
  return {
    ...real,
    presentToken: watched('presentToken', real.presentToken, foretellPresented, (presented) => {
      if ('session' in presented) watching.watcher?.handedOut(presented.session)
      return summarizePresented(presented)
    }),
  }
}

/** Only what a thief has presented may look stolen. */
function foretellPresented(reference: Reference, isThief: boolean, presented: Presentation): Foretold {
  const foretold = reference.present(presented, isThief)
  const session = reference.sessions.get(presented.sessionId)
  const isOurs = session?.isStolen !== true && (session?.replaced ?? null) === null
  if (foretold?.raised?.length === 1 && isOurs) {
    watching.watcher?.violate(
      'no session ends by reuse that nobody has robbed, and whose credential is its first',
      presented,
    )
  }
  return foretold
}

/** Foretells lists of one member. */
export function watchControl(real: typeof ControlBatch): typeof ControlBatch {
  return {
    ...real,
    commitControl: watched(
      'commitControl',
      real.commitControl,
      (reference, _, members) => foretellMember(reference, members[0]),
      ({ raised }) => ({ raised }),
    ),
  }
}

function foretellMember(reference: Reference, member: ControlMember | undefined): Foretold {
  if (member?.action === 'end-all') return reference.endAllOf(member.userId)
  if (member?.action === 'change') return reference.changeRoles(member.userId, member.profile.roles ?? [])
  return null
}

function summarizeSession(session: SessionState | null): Foretold {
  if (session === null) return null
  const { alive, generation, tokenVersion, roles } = session
  return { alive, generation, tokenVersion, roles }
}

function summarizePresented(presented: Presented): Foretold {
  if (presented.outcome === 'ended') return { outcome: 'ended', raised: presented.raised }
  if (presented.outcome === 'superseded') return { outcome: 'superseded' }
  return { outcome: presented.outcome, ...summarizeSession(presented.session) }
}

function summarizeEnded(ended: Ended | null): Foretold {
  return ended === null ? null : { ended: ended.ended, raised: ended.raised }
}
