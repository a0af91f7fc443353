// API keys of a world, made as an administrator makes them, and what D1 holds of them.

import { env } from 'cloudflare:workers'

import { createKey, endKey, rotateKey } from '../../src/keys/lifecycle.ts'
import type { Created, Rotated } from '../../src/keys/lifecycle.ts'
import { listKeys } from '../../src/keys/lifecycle.ts'
import type { KeyEntry, NewKey } from '../../src/keys/store.ts'
import type { RaisedVersion } from '../../src/sessions/store.ts'

const NEW_KEY: NewKey = {
  name: 'invoices',
  roles: ['robot'],
  scopes: ['orders:read'],
  claims: { tenant: 'acme' },
  expiresAt: null,
}

const NOTHING_ELSE = (): readonly D1PreparedStatement[] => []

/** A key whose marker is there. */
export async function makeKey(changes: Partial<NewKey> = {}): Promise<Created> {
  const created = await createKey(env.DB, { ...NEW_KEY, ...changes }, NOTHING_ELSE)
  await announce(created.raised)
  return created
}

/** Rotates a key; its marker is put where there is something to tell. */
export async function rotate(id: string, overlap: number): Promise<Rotated> {
  const rotated = await rotateKey(env.DB, id, overlap, NOTHING_ELSE)
  if (rotated.outcome === 'rotated') await announce(rotated.raised)
  return rotated
}

/** Ends a key in D1, and tells KV of it unless it is said. */
export async function end(id: string, isTold = true): Promise<RaisedVersion | null> {
  const raised = await endKey(env.DB, id, NOTHING_ELSE)
  if (raised !== null && isTold) await announce(raised)
  return raised
}

/** The key as administrators see it. */
export async function entryOf(id: string): Promise<KeyEntry> {
  const entry = (await listKeys(env.DB, '', 100)).find((each) => each.id === id)
  if (entry === undefined) throw new Error('no such key')
  return entry
}

async function announce({ userId, tokenVersion }: RaisedVersion): Promise<void> {
  await env.MARKERS.put(`marker:${userId}`, String(tokenVersion))
}
