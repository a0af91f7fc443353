// The API behind every contestant: one small JSON answer, whatever is asked.

import { createServer } from 'node:http'

import { showCounts } from './counts.ts'
import { listen } from './listen.ts'

const BODY = JSON.stringify({ orders: [{ id: 'ord_1', total: 1200, currency: 'EUR', state: 'shipped' }] })
const HEADERS = {
  'Content-Type': 'application/json',
  'Content-Length': Buffer.byteLength(BODY),
  'Cache-Control': 'private, max-age=0',
  'X-Powered-By': 'bench',
}

const counts = { upstreamRequests: 0 }

listen(
  createServer((_, response) => {
    counts.upstreamRequests += 1
    response.writeHead(200, HEADERS).end(BODY)
  }),
)
showCounts(counts)
