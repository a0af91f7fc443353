// A request as the Worker would be given it.
import type { Config } from '../../src/config/config.ts'
import { readHead } from '../../src/request-head.ts'
import type { Exchange } from '../../src/runtime.ts'
import type { Offline, Sent } from './offline.ts'
import { openOffline } from './offline.ts'
import type { Given } from './offline.ts'
import type { Step } from './steps.ts'
import { explainSteps } from './steps.ts'

export interface Asked {
  readonly method: string
  /** A path with its query, or a whole URL; it is never repaired. */
  readonly target: string
  /** `null` is ISSUER's. */
  readonly host: string | null
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export interface Explained {
  readonly url: string
  readonly steps: readonly Step[]
  /** What the whole gateway, run on this request, has answered. */
  readonly status: number
  /** The code of its denial, or `null`. */
  readonly code: string | null
  /** What `access = "observe"` would have said, or `null`. */
  readonly observed: string | null
  readonly sent: Sent | null
  /** Not at hand. */
  readonly missing: ReadonlySet<string>
}

/** Asks the steps one by one, and the gateway as a whole. */
export async function explain(given: Given, asked: Asked): Promise<Explained> {
  const offline = await openOffline(given)
  const url = urlOf(asked, offline.config)
  const steps = await explainSteps(
    offline,
    createExchange(offline, createRequest(url, asked), () => undefined),
  )
  if (steps.at(-1)?.verdict === 'own') return unanswered(url, steps, offline)
  const logged = offline.logged.length
  const beside: Promise<unknown>[] = []
  const waitUntil = (work: Promise<unknown>): void => void beside.push(work)
  // A person's answer is a page, which this machine cannot draw; what it would say stands in the log before that.
  const answered = await Promise.allSettled([offline.app(createRequest(url, asked), { waitUntil })])
  await Promise.allSettled(beside)
  const lines = offline.logged.slice(logged)
  const refusal = lines.find(({ event, code }) => event !== 'observed' && code !== undefined)
  const [answer] = answered
  if (answer.status === 'rejected' && refusal === undefined) throw answer.reason
  const watched = lines.find(({ event }) => event === 'observed')
  return {
    url,
    steps,
    status: refusal?.status ?? (answer.status === 'fulfilled' ? answer.value.status : 0),
    code: refusal?.code ?? null,
    observed: watched === undefined ? null : (watched.code ?? watched.reason ?? null),
    sent: offline.sent.at(-1) ?? null,
    missing: offline.missing,
  }
}

/** What its own URLs do needs a deployment. */
function unanswered(url: string, steps: readonly Step[], { missing }: Offline): Explained {
  return { url, steps, status: 0, code: null, observed: null, sent: null, missing }
}

function urlOf({ target, host }: Asked, { issuer }: Config): string {
  if (/^https?:\/\//i.test(target)) return target
  const { protocol, host: own } = new URL(issuer)
  return `${protocol}//${host ?? own}${target}`
}

/**
 * With the very URL and method that came, neither of which this machine's own `Request` would leave alone, and with lines of
 * one name joined by a comma, cookies too, as workerd gives them.
 */
function createRequest(url: string, { method, headers }: Asked): Request {
  const lines = Map.groupBy(headers, ([name]) => name.toLowerCase())
  const joined = [...lines].map(([name, same]) => [name, same.map(([, value]) => value).join(', ')])
  const request = new Request('http://localhost/', { headers: Object.fromEntries(joined) })
  return Object.defineProperties(request, { url: { value: url }, method: { value: method } })
}

function createExchange({ runtime }: Offline, request: Request, waitUntil: Exchange['waitUntil']): Exchange {
  const head = readHead(request)
  const clientAddress = head.headers.get('CF-Connecting-IP')
  return { request, head, requestId: crypto.randomUUID(), clientAddress, runtime, note: null, waitUntil }
}
