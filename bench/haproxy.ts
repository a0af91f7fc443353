// HAProxy as a contestant: no Worker at all, but C on one thread, in front of the same upstream.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { ISSUER } from './issuer.ts'
import type { Running } from './processes.ts'
import { start } from './processes.ts'
import type { Scene } from './scene.ts'

export function hasHaproxy(): boolean {
  return spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).status === 0
}

/** The port is chosen here, because HAProxy does not report one. */
export async function startHaproxy({ tokens, upstreamPort }: Scene, temporary: string): Promise<Running> {
  const folder = join(temporary, 'haproxy')
  mkdirSync(folder, { recursive: true })
  const port = await findFreePort()
  writeFileSync(join(folder, 'es256.pem'), tokens.publicPems.ES256)
  writeFileSync(join(folder, 'haproxy.cfg'), configOf(port, upstreamPort))
  const { pid } = start('measured', 'haproxy', ['-db', '-f', 'haproxy.cfg'], folder)
  await untilOpen(port)
  return { pid, port: async () => port }
}

/** The checks that the other verifiers make: algorithm, signature, issuer, audience and times. */
function configOf(port: number, upstreamPort: number): string {
  return `
global
  nbthread 1
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend gate
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"es256.pem") -m int 1 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str ${ISSUER} }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str ${ISSUER} }
  http-request set-var(txn.now) date()
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int le 0 }
  default_backend api
backend api
  server api 127.0.0.1:${upstreamPort}
`
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (typeof address !== 'object' || address === null) throw new TypeError('not listening on a port')
  return address.port
}

async function untilOpen(port: number, attempts = 500): Promise<void> {
  if (attempts === 0) throw new Error('haproxy did not begin to listen')
  if (await isOpen(port)) return
  await sleep(10)
  return untilOpen(port, attempts - 1)
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
