// API keys that this isolate has asked D1 about, found by their digests: bounded, and trusted for as long as a token lives.

import { createMemory } from '../memory.ts'
import type { Identity } from '../tokens/identity.ts'

/** It names a version, which its user's marker is held against. */
interface KeyIdentity extends Identity {
  readonly version: number
}

export interface KeyMemory {
  /** What D1 said of a key, until its `expiresAt`. Does NOT look at its marker; gateway/api-key does. */
  readonly find: (digest: string) => KeyIdentity | null
  readonly remember: (digest: string, identity: KeyIdentity) => void
  /** True where D1 refused the key a moment ago. */
  readonly isRefused: (digest: string) => boolean
  readonly refuse: (digest: string) => void
}

/** Bounds of one isolate; those who guess crowd out nobody who has a key. */
const MAX_KNOWN = 10_000
const MAX_REFUSED = 10_000
/** Seconds after which D1 is asked again about a key that it refused. */
const REFUSED_FOR = 30

/** `now` in unix seconds. */
export function createKeyMemory(now: () => number, maxKnown = MAX_KNOWN): KeyMemory {
  const known = createMemory<KeyIdentity | null>(maxKnown, Infinity)
  const refused = createMemory<number>(MAX_REFUSED, Infinity)
  return {
    find: (digest) => {
      const identity = known.find(digest)
      return identity !== null && identity.expiresAt > now() ? identity : null
    },
    remember: (digest, identity) => known.remember(digest, identity),
    isRefused: (digest) => (refused.find(digest) ?? 0) > now(),
    refuse: (digest) => {
      refused.remember(digest, now() + REFUSED_FOR)
      if (known.find(digest) !== null) known.remember(digest, null)
    },
  }
}
