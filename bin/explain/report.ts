// What `npm run explain` prints: the steps, the verdict, and what the upstream would receive; no token, cookie or key.
import type { Explained } from './ask.ts'
import type { Sent } from './offline.ts'

export interface Report {
  readonly text: string
  /** 0 where the request would pass, 3 where it would be refused, 4 where that cannot be told here. */
  readonly exitCode: 0 | 3 | 4
}

/** `secrets` are texts that may stand nowhere in the report, whatever they came in. */
export function describeExplained(explained: Explained, method: string, secrets: readonly string[]): Report {
  const { url, steps, sent, missing } = explained
  const width = Math.max(...steps.map(({ name }) => name.length))
  const lines = steps.map(({ name, verdict, says }) => `  ${name.padEnd(width)}  ${verdict.padEnd(7)}  ${says}`)
  const { verdict, exitCode } = verdictOf(explained)
  const text = [
    `${method} ${withoutQuery(url)}`,
    ...(missing.size > 0 ? [`Not at hand: ${[...missing].join(', ')}. What they decide cannot be told.`] : []),
    '',
    ...lines,
    '',
    `Verdict: ${verdict}`,
    ...(exitCode === 0 && sent !== null ? ['', 'The upstream would receive:', ...describeSent(sent)] : []),
  ].join('\n')
  return { text: withhold(text, secrets), exitCode }
}

function verdictOf({ steps, status, code, observed }: Explained): { verdict: string; exitCode: Report['exitCode'] } {
  const last = steps.at(-1)?.verdict
  if (last === 'own') return { verdict: 'answered by the gateway itself, which takes D1 and KV', exitCode: 4 }
  if (steps.some(({ verdict, name }) => verdict === 'unknown' && name !== 'revocation'))
    return { verdict: 'cannot be told here', exitCode: 4 }
  if (code !== null) return { verdict: `refused with ${status} ${code}`, exitCode: 3 }
  const watched = observed === null ? '' : `; access = "required" would have said: ${observed}`
  const isTaken = steps.some(({ verdict }) => verdict === 'unknown')
  return { verdict: `passes${isTaken ? ', if it was not revoked' : ''}${watched}`, exitCode: 0 }
}

function describeSent({ url, method, headers }: Sent): readonly string[] {
  const isKnown = headers.some(([name]) => name === 'x-forwarded-for')
  const address = isKnown ? [] : [['x-forwarded-for', "(the client's address)"] as const]
  const named = [...headers, ...address].map(([name, value]) => `  ${name}: ${HIDDEN.get(name) ?? value}`)
  return [`  ${method} ${withoutQuery(url)}`, ...named.toSorted()]
}

/** What is a credential, or may hold one, is said to be there and not shown. */
const HIDDEN: ReadonlyMap<string, string> = new Map([
  ['authorization', '(as it came)'],
  ['cookie', '(as it came, without those of the gateway)'],
  ['gatehouse-assertion', '(a JWT of the gateway, for this upstream and one minute)'],
  ['gatehouse-control', '(a random value)'],
  ['x-request-id', '(the request_id)'],
])

function withoutQuery(url: string): string {
  return url.replace(/\?[^]*/, '?(as it came)')
}

/** The longest first: one may be a part of another. */
function withhold(text: string, secrets: readonly string[]): string {
  const hidden = secrets.filter((secret) => secret.length >= 8).toSorted((one, other) => other.length - one.length)
  return hidden.reduce((before, secret) => before.replaceAll(secret, '(withheld)'), text)
}
