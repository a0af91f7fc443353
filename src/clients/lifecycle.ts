// A client's life: made, given another secret, ended. D1 decides each step; HTTP is not known here.

import { randomText, sha256 } from '../crypto.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { JsonObject } from '../json.ts'
import type { RaisedVersion } from '../sessions/store.ts'
import { parseRaised } from '../sessions/store.ts'
import type { AssertionProof } from '../tokens/claims.ts'
import { clientKeysProblem } from '../tokens/client-assertion.ts'
import type { Profile } from '../tokens/mint.ts'
import { profileProblem } from '../tokens/mint.ts'
import { hashSecret, newClientSecret } from './secrets.ts'
import type { ClientRow } from './store.ts'
import {
  disableClient,
  endTokensBelow,
  forgetSecrets,
  insertAssertion,
  insertClient,
  insertClientUser,
  parseClient,
  raiseVersionOfClient,
  replaceSecret,
  selectClient,
} from './store.ts'

/** What a client authenticates by: a secret that the gateway makes, or keys whose private halves it holds itself. */
export type ClientProof = { readonly by: 'secret' } | { readonly by: 'keys'; readonly jwks: JsonObject }

export interface NewClient extends Profile {
  readonly name: string
  readonly proof: ClientProof
}

export type Created =
  /** The secret is shown once; D1 has its hash. `raised` must be published. */
  | {
      readonly outcome: 'created'
      readonly id: string
      readonly secret: string | null
      readonly raised: readonly RaisedVersion[]
    }
  | { readonly outcome: 'refused'; readonly problem: string }

/** Statements of other stores that belong to the same transaction, such as the audit of it. */
type Others = readonly D1PreparedStatement[]

/** Makes a client; refused where its roles, scopes and claims could not be minted, or a key could not serve. */
export async function createClient(
  db: Database,
  { name, proof, ...profile }: NewClient,
  others: (id: string) => Others = () => [],
): Promise<Created> {
  const keysProblem = proof.by === 'keys' ? await clientKeysProblem(proof.jwks) : null
  const problem = profileProblem(profile) ?? keysProblem
  if (problem !== null) return { outcome: 'refused', problem }
  const id = `cli_${randomText(16)}`
  const secret = proof.by === 'secret' ? newClientSecret() : null
  const secretHash = secret === null ? null : hashSecret(secret)
  const row = { id, name, secretHash, jwks: proof.by === 'keys' ? proof.jwks : null, ...profile }
  const [raised = []] = await runBatch(db, [insertClientUser(db, row), insertClient(db, row), ...others(id)])
  return { outcome: 'created', id, secret, raised: toRaised(raised) }
}

/**
 * Gives a client another secret, and keeps the one it has for `overlap` seconds: two are good at a time.
 * `null` where there is no such client, it has been ended, or it has keys in place of a secret.
 */
export async function rotateSecret(
  db: Database,
  id: string,
  overlap: number,
  others: Others = [],
): Promise<string | null> {
  const secret = newClientSecret()
  const [replaced = []] = await runBatch(db, [replaceSecret(db, id, hashSecret(secret), overlap), ...others])
  return replaced.length === 0 ? null : secret
}

/** Ends a client for good, its tokens with it. Safe to repeat. What is given must be published. */
export async function endClient(db: Database, id: string, others: Others = []): Promise<readonly RaisedVersion[]> {
  const [raised = []] = await runBatch(db, [disableClient(db, id), forgetSecrets(db, id), ...others])
  return toRaised(raised)
}

/** Ends every token that the client has now, and not the client. What is given must be published. */
export async function endClientTokens(db: Database, id: string): Promise<readonly RaisedVersion[]> {
  const [raised = []] = await runBatch(db, [raiseVersionOfClient(db, id), endTokensBelow(db, id)])
  return toRaised(raised)
}

/** The client as D1 holds it now; `null` where it never was, or has been ended. One round trip. */
export async function findClient(db: Database, id: string): Promise<ClientRow | null> {
  const [rows] = await runBatch(db, [selectClient(db, id)])
  return parseClient(rows?.[0])
}

/** Remembers an assertion; false where it has come before, and D1 decides between parallel ones. One round trip. */
export async function useAssertion(db: Database, clientId: string, proof: AssertionProof): Promise<boolean> {
  const { jti, expiresAt } = proof
  const [inserted = []] = await runBatch(db, [insertAssertion(db, { clientId, jti: sha256(jti), expiresAt })])
  return inserted.length > 0
}

function toRaised(rows: readonly unknown[]): readonly RaisedVersion[] {
  return rows.map(parseRaised).filter((user) => user !== null)
}
