// How one of the bench's own servers begins: on any port, which it reports as workerd does.

import { writeSync } from 'node:fs'
import type { Server } from 'node:http'

const REPORTS = 3

/** `socket` is the name under which the port is asked for. */
export function listen(server: Server, socket = 'http'): void {
  // No connection ends because nobody used it while others were measured.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new TypeError('not listening on a port')
    writeSync(REPORTS, `${JSON.stringify({ event: 'listen', socket, port: address.port })}\n`)
  })
}
