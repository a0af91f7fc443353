// The load: connections that are kept, each sending its next request as soon as its last one is answered.

import { Client } from 'undici'

import type { HeaderList } from './supply.ts'

export interface Load {
  /** Who is asked. */
  readonly name: string
  readonly path: string
  readonly status: number
  /** Of each request. */
  readonly credentials: readonly HeaderList[]
}

export interface Served {
  readonly seconds: number
  /** Of every request, shortest first. */
  readonly latenciesMs: Float64Array
}

/** What a request brings to a Worker at the edge, whoever sent it. */
const HEADERS = [
  'Accept',
  'application/json',
  'Accept-Encoding',
  'gzip, br',
  'Accept-Language',
  'en-GB,en;q=0.9',
  'User-Agent',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'CF-Connecting-IP',
  '203.0.113.7',
  'CF-IPCountry',
  'GB',
  'CF-Ray',
  '8f2b7c1d2e3f4a5b-LHR',
  'CF-Visitor',
  '{"scheme":"https"}',
  'X-Forwarded-For',
  '203.0.113.7',
  'X-Forwarded-Proto',
  'https',
] as const

export type Connections = readonly Client[]

/** Kept for the whole run. */
export function connect(port: number, count: number): Connections {
  return Array.from({ length: count }, () => new Client(`http://127.0.0.1:${port}`, { pipelining: 1 }))
}

/** @throws Error at the first answer that is not as it must be: a contestant that fails is not measured. */
export async function serve(connections: Connections, load: Load): Promise<Served> {
  const latenciesMs = new Float64Array(load.credentials.length)
  const progress = { sent: 0 }
  const began = performance.now()
  await Promise.all(connections.map((client) => sendAll(client, load, progress, latenciesMs)))
  return { seconds: (performance.now() - began) / 1000, latenciesMs: latenciesMs.toSorted() }
}

/** One connection's share. */
function sendAll(client: Client, load: Load, progress: { sent: number }, latenciesMs: Float64Array): Promise<void> {
  return new Promise((resolve, reject) => {
    function sendNext(): void {
      if (progress.sent >= load.credentials.length) return resolve()
      const number = progress.sent
      progress.sent += 1
      const sentAt = performance.now()
      const headers = [...HEADERS, ...(load.credentials[number] ?? [])]
      client.dispatch(
        { path: load.path, method: 'GET', headers },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_, status) => {
            if (status !== load.status) reject(new Error(`${load.name} answered ${status}, not ${load.status}`))
          },
          onResponseData: () => undefined,
          onResponseEnd: () => {
            latenciesMs[number] = performance.now() - sentAt
            sendNext()
          },
          onResponseError: (_, error) => reject(error),
        },
      )
    }
    sendNext()
  })
}
