// The two rings of a gateway, between their secrets and the rotation: SIGNING_KEYS, SESSION_KEYS, and KEY_STATES beside them.
import type { Config } from '../../src/config/config.ts'
import { LONGEST_TOKEN_LIFE } from '../../src/config/lifetimes.ts'
import { parseSecrets } from '../../src/config/secrets.ts'
import { sha256 } from '../../src/crypto.ts'
import type { JsonObject } from '../../src/json.ts'
import { isObject, parseJsonObject } from '../../src/json.ts'
import { makeSecrets } from '../secrets.ts'
import type { Key, Ring, State } from './ring.ts'
import type { Values } from './secrets-file.ts'
import { SecretsFileProblem } from './secrets-file.ts'

export interface Rings {
  /** By `kid`. */
  readonly signing: Ring
  /** By fingerprint. */
  readonly session: Ring
}

export type Lifetimes = Pick<Config, 'sessions'>

/**
 * The rings of a file. Its order says who signs, KEY_STATES says the rest; what that does not know counts as deployed at
 * no known time, so it waits longer and is never dropped too early.
 * @throws SecretsFileProblem, which names what is wrong and never its value
 */
export function readRings(values: Values, config: Lifetimes): Rings {
  const { SIGNING_KEYS = '', SESSION_KEYS = '', KEY_STATES = '' } = values
  const parsed = parseSecrets({ SIGNING_KEYS, SESSION_KEYS }, { issuers: [], providers: [], webhooks: [] })
  if (parsed.outcome === 'refused') throw new SecretsFileProblem(parsed.problems.join('\n'))
  const { keys } = parsed.secrets.signingKeys
  const signing = (Array.isArray(keys) ? keys : []).map((jwk: unknown) => JSON.stringify(jwk))
  const session = SESSION_KEYS.split(',').map((text) => text.trim())
  const states = parseJsonObject(KEY_STATES) ?? {}
  return {
    signing: readRing(signing, kidOf, states, LONGEST_TOKEN_LIFE),
    session: readRing(session, fingerprint, states, sessionLife(config)),
  }
}

/** The secrets that say what the rings say. */
export function formatRings({ signing, session }: Rings): Values {
  const states = [...signing, ...session].map(({ id, state, deployedAt, life }) => [
    id,
    { state, deployed_at: deployedAt, life },
  ])
  return {
    SIGNING_KEYS: `{"keys":[${signing.map(({ value }) => value).join(',')}]}`,
    SESSION_KEYS: session.map(({ value }) => value).join(','),
    KEY_STATES: JSON.stringify(Object.fromEntries(states)),
  }
}

/** A fresh key for each ring. */
export async function makeKeys(
  config: Lifetimes,
): Promise<Readonly<Record<keyof Rings, Omit<Key, 'state' | 'deployedAt'>>>> {
  const { SIGNING_KEYS, SESSION_KEYS } = await makeSecrets()
  const jwk = SIGNING_KEYS.slice('{"keys":['.length, -']}'.length)
  return {
    signing: { id: kidOf(jwk), value: jwk, life: LONGEST_TOKEN_LIFE },
    session: { id: fingerprint(SESSION_KEYS), value: SESSION_KEYS, life: sessionLife(config) },
  }
}

/**
 * Seconds after which no session token that a key has signed is good any more. A token is signed anew when it rotates, but
 * a client whose every answer gets lost keeps its first one for as long as the session may live.
 */
function sessionLife({ sessions }: Lifetimes): number {
  return sessions.absoluteTimeout
}

function readRing(values: readonly string[], idOf: (value: string) => string, states: JsonObject, life: number): Ring {
  return values.map((value, index): Key => {
    const id = idOf(value)
    const note = isObject(states[id]) ? states[id] : {}
    const state = stateAt(index, note['state'])
    const known = note['state'] === state && isCount(note['deployed_at']) ? note['deployed_at'] : null
    return { id, value, state, deployedAt: known, life: isCount(note['life']) ? Math.max(note['life'], life) : life }
  })
}

/** Whoever is first signs, and whoever is not and is not known to wait for it has signed. */
function stateAt(index: number, noted: unknown): State {
  if (index === 0) return 'active'
  return noted === 'standby' ? 'standby' : 'retiring'
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function kidOf(jwk: string): string {
  return String(parseJsonObject(jwk)?.['kid'])
}

/** Of 256 random bits, of which a digest tells nothing. */
function fingerprint(key: string): string {
  return sha256(`gatehouse session key ${key}`).slice(0, 16)
}
