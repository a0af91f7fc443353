// A real HTTP upstream on 127.0.0.1: keeps what it was sent, as it was sent, and answers by path.

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { gzipSync } from 'node:zlib'

import { afterAll } from 'vitest'
import type { WebSocket } from 'ws'
import { WebSocketServer } from 'ws'

/** A request as it stood on the wire, names in their spelling, values in their bytes (as Latin-1). */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** All that has come of the body. */
  readonly body: () => string
}

export interface Upstream {
  readonly origin: string
  /** Every request since the last `forget`. */
  readonly seen: readonly Seen[]
  readonly forget: () => void
  /** Codes and reasons by which WebSockets were closed. */
  readonly closes: readonly string[]
}

export const GZIPPED = gzipSync('hello from the upstream')

/** Starts one that stops when the test file is through. */
export async function startUpstream(): Promise<Upstream> {
  const seen: Seen[] = []
  const closes: string[] = []
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false })
  const connections = new Set<Duplex>()
  const acknowledgements = createAcknowledgements()
  const server = createServer({ maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000 }, (request, response) => {
    seen.push(see(request))
    void answer(request, response, acknowledgements)
  })
  server.on('connection', (socket: Socket) => connections.add(socket))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    seen.push(see(request))
    sockets.handleUpgrade(request, socket, head, (client) => {
      converse(client, request.url ?? '')
      client.on('close', (code, reason) => closes.push(`${code} ${reason.toString()}`))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  const origin = `http://127.0.0.1:${portOf(server.address())}`
  return { origin, seen, forget: () => seen.splice(0), closes }
}

/** By which a client, on another way, lets a stream go on. */
interface Acknowledgements {
  readonly next: () => Promise<void>
  readonly give: () => void
}

function createAcknowledgements(): Acknowledgements {
  const waiting: (() => void)[] = []
  return { next: () => new Promise((resolve) => waiting.push(resolve)), give: () => waiting.shift()?.() }
}

/** `/farewell` closes at the first message; every other socket says what it hears. */
function converse(client: WebSocket, path: string): void {
  client.on('message', (data, isBinary) => {
    if (path === '/farewell') return client.close(4001, 'as you wish')
    client.send(data, { binary: isBinary })
  })
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}

function see(request: IncomingMessage): Seen {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  const { rawHeaders } = request
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    headers: rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as const] : [])),
    body: () => Buffer.concat(chunks).toString('latin1'),
  }
}

type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  acknowledgements: Acknowledgements,
) => void | Promise<void>

/** Written below HTTP, for what Node's server would not say. */
function bytes(text: string): Answer {
  return (_, response) => {
    response.socket?.end(text, 'latin1')
  }
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  '/stream': (_, response, acknowledgements) =>
    sendParts(response, 'text/plain', ['one ', 'two ', 'three'], acknowledgements),
  '/events': (_, response, acknowledgements) =>
    sendParts(response, 'text/event-stream', ['data: 1\n\n', 'data: 2\n\n'], acknowledgements),
  '/acknowledge': (_, response, acknowledgements) => {
    acknowledgements.give()
    response.end('acknowledged')
  },
  '/echo': (request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    response.flushHeaders()
    request.pipe(response)
  },
  '/gzip': (_, response) => {
    response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': GZIPPED.length }).end(GZIPPED)
  },
  '/redirect': (_, response) => {
    response.writeHead(302, { Location: 'http://127.0.0.1:1/else where?a=b#c'.replace(' ', '%20') }).end('moved')
  },
  '/cookies': (_, response) => {
    response.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly'])
    response.end('cookies')
  },
  '/no-content': (_, response) => {
    response.writeHead(204, { ETag: '"n"' }).end()
  },
  '/not-modified': (_, response) => {
    response.writeHead(304, { ETag: '"m"' }).end()
  },
  '/hang': () => undefined,
  '/reset': (_, response) => {
    response.socket?.destroy()
  },
  '/truncated': bytes('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello'),
  '/garbage': bytes('this is no HTTP\r\n\r\n'),
  '/status-600': bytes('HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n'),
  '/status-101': bytes('HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n'),
  '/status-407': bytes('HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'),
  '/hop-by-hop': bytes(
    'HTTP/1.1 200 OK\r\nConnection: close, X-Named\r\nX-Named: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n' +
      'X-Kept: \xe9\r\nContent-Length: 2\r\n\r\nok',
  ),
  '/hostile': (_, response) => {
    response.setHeader('Gatehouse-Subject', 'root')
    response.setHeader('gatehouse_session', 'open;sub="root"')
    response.setHeader('Set-Cookie', [
      'ours=no',
      '__Host-gatehouse_session=stolen; Path=/; Secure',
      ' gatehouse_access = stolen',
      'gatehouse_session=stolen',
      '__Host-gatehouse_access=stolen',
      'theirs=yes; Path=/',
    ])
    response.end('hostile')
  },
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  acknowledgements: Acknowledgements,
): void | Promise<void> {
  const path = (request.url ?? '').split('?')[0] ?? ''
  const respond = ANSWERS[path]
  return respond === undefined ? describe(request, response) : respond(request, response, acknowledgements)
}

/** Sends a part, waits until the client has told of it on another way, sends the next. */
async function sendParts(
  response: ServerResponse,
  type: string,
  parts: readonly string[],
  acknowledgements: Acknowledgements,
): Promise<void> {
  response.writeHead(200, { 'Content-Type': type })
  for (const [at, part] of parts.entries()) {
    if (at > 0) await acknowledgements.next()
    response.write(part)
  }
  response.end()
}

/** What it was sent, as JSON, once all of it is there. */
async function describe(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const request_ = see(request)
  if (!request.readableEnded) await once(request.resume(), 'end')
  const body = JSON.stringify({ method: request_.method, target: request_.target, headers: request_.headers })
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
