// Upstreams that keep all that reaches them, however odd: one for each route, so that who got a request says who judged it.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'

import { afterAll } from 'vitest'

/** A request as it stood on the wire, names in their spelling, values in their bytes (as Latin-1). */
export interface Arrival {
  readonly route: string
  /** What it was sent as: `X-Case`. */
  readonly id: string
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** All that has come of the body. */
  readonly body: () => string
}

export interface Recorders {
  readonly origins: Readonly<Record<string, string>>
  readonly arrivals: Arrival[]
}

/** On every answer of theirs. */
export const MARK = 'X-Recorder'

/** Bounds far above the gateway's own, and no strictness that could hide what the gateway let through. */
const LENIENT = { insecureHTTPParser: true, maxHeaderSize: 1 << 20, keepAliveTimeout: 60_000 }

/** Starts one for each name; they stop when the test file is through. */
export async function startRecorders(routes: readonly string[]): Promise<Recorders> {
  const arrivals: Arrival[] = []
  const started = await Promise.all(routes.map(async (route) => [route, await startRecorder(route, arrivals)] as const))
  return { origins: Object.fromEntries(started), arrivals }
}

async function startRecorder(route: string, arrivals: Arrival[]): Promise<string> {
  const connections = new Set<Duplex>()
  const server = createServer(LENIENT, (request, response) => {
    arrivals.push(record(route, request))
    request.on('error', () => response.destroy())
    request.on('end', () => response.writeHead(200, { [MARK]: route, 'Content-Length': 0 }).end())
  })
  server.maxHeadersCount = 0
  server.on('connection', (socket) => connections.add(socket))
  server.on('upgrade', (request, socket) => {
    arrivals.push(record(route, request))
    socket.end(`HTTP/1.1 200 OK\r\n${MARK}: ${route}\r\nContent-Length: 0\r\n\r\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return `http://127.0.0.1:${address.port}`
}

function record(route: string, request: IncomingMessage): Arrival {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  const { rawHeaders, headers } = request
  return {
    route,
    id: String(headers['x-case']),
    method: request.method ?? '',
    target: request.url ?? '',
    headers: rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as const] : [])),
    body: () => Buffer.concat(chunks).toString('latin1'),
  }
}
