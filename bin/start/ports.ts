// Ports of this machine.
import { once } from 'node:events'
import { createServer } from 'node:net'

import { Problem } from './problem.ts'

/** A listener on any of these would answer for `localhost`. */
const ADDRESSES = ['127.0.0.1', '::1', '::', '0.0.0.0']

/** @throws Problem where something listens already */
export async function requireFree(port: number): Promise<void> {
  const free = await isFree(port)
  if (!free)
    throw new Problem(`Port ${port} is in use. Stop what listens there, or choose another: PORT=${port + 3} npm start`)
}

/** The first free port from `first` on, other than `taken`. */
export async function findFree(first: number, taken: number): Promise<number> {
  if (first > 65_535) throw new Problem('No port is free.')
  const free = first !== taken && (await isFree(first))
  return free ? first : findFree(first + 1, taken)
}

async function isFree(port: number): Promise<boolean> {
  for (const host of ADDRESSES) {
    const free = await canListen(port, host)
    if (!free) return false
  }
  return true
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ port, host, ipv6Only: true })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch (error) {
    return isWithoutAddress(error)
  }
}

/** A machine without IPv6 has nobody listening there. */
function isWithoutAddress(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')
}
