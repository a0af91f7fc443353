// A web app as people have one behind the gateway: an empty page, the browser helper, and an API that counts who asks.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'

import { afterAll } from 'vitest'

export interface WebApp {
  readonly origin: string
  /** What `/api/*` was asked since the last `forget`: method, path, and whom the gateway named. */
  readonly seen: readonly string[]
  readonly forget: () => void
}

const HELPER = readFileSync(join(import.meta.dirname, '..', '..', 'client', 'gatehouse.js'))
const PROBLEM = 'application/problem+json'
const PAGE = '<!doctype html><html lang="en"><title>A web app</title><h1>A web app</h1></html>'

/** Starts one that stops when the test file is through. */
export async function startWebApp(): Promise<WebApp> {
  const seen: string[] = []
  const server = createServer((request, response) => answer(request, response, seen))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return { origin: `http://127.0.0.1:${address.port}`, seen, forget: () => void seen.splice(0) }
}

function answer(request: IncomingMessage, response: ServerResponse, seen: string[]): void {
  const { method = '', url = '' } = request
  if (url.startsWith('/api/')) {
    seen.push(`${method} ${url} ${String(request.headers['gatehouse-subject'])}`)
    if (url === '/api/endless-401') return void response.writeHead(401, { 'Content-Type': PROBLEM }).write('{')
    return send(response, url === '/api/own-401' ? 401 : 200, 'application/json', '{"code":"session_ended"}')
  }
  return url === '/app/gatehouse.js'
    ? send(response, 200, 'text/javascript', HELPER)
    : send(response, 200, 'text/html', PAGE)
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { 'Content-Type': type }).end(body)
}
