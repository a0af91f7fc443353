// The demo API behind the gateway: a small JSON API that knows nothing of passwords, sessions or tokens. The gateway
// has decided who may come here, and says who it is in `Gatehouse-*` headers. GET /me shows what arrives.
import { createServer } from 'node:http'

import { createRemoteJWKSet, jwtVerify } from 'jose'

const port = Number(process.env.PORT ?? 8788)
/** This API's origin, as the routes in wrangler.toml name it. */
const origin = process.env.ORIGIN ?? `http://localhost:${port}`
const gateway = process.env.GATEWAY ?? 'http://localhost:8787'
const gatewayKeys = createRemoteJWKSet(new URL('/.well-known/jwks.json', gateway))

const orders = [
  { id: '1001', item: 'Lantern', total: 4200 },
  { id: '1002', item: 'Gate latch', total: 1350 },
]

const routes = [
  { pattern: /^\/public\/hello$/, body: () => ({ hello: 'world' }) },
  { pattern: /^\/orders$/, body: (request) => ({ orders, for: request.headers['gatehouse-subject'] }) },
  { pattern: /^\/orders\/(\d+)$/, body: (_request, id) => orders.find((order) => order.id === id) },
  { pattern: /^\/prices$/, body: () => ({ prices: orders.map(({ item, total }) => ({ item, total })) }) },
  { pattern: /^\/admin\/report$/, body: () => ({ revenue: orders.reduce((sum, { total }) => sum + total, 0) }) },
  {
    pattern: /^\/me$/,
    body: async (request) => ({ headers: identityHeaders(request), assertion: await readAssertion(request) }),
  },
]

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(port, '127.0.0.1', () => console.log(`demo API on ${origin}`))

async function answer(request, response) {
  const [path] = request.url.split('?')
  if (request.method !== 'GET') return send(response, 405, { error: 'only GET here' })
  if (path === '/orders/events') return streamEvents(response)
  for (const { pattern, body } of routes) {
    const match = pattern.exec(path)
    const found = match && (await body(request, match[1]))
    if (found) return send(response, 200, found)
  }
  return send(response, 404, { error: 'nothing here' })
}

/** Who the gateway says is asking. It strips these headers from what clients send. */
function identityHeaders(request) {
  return Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('gatehouse-')))
}

/**
 * The same, signed by the gateway. An API that can be reached by another way than through the gateway must
 * look at this and at nothing else.
 */
async function readAssertion(request) {
  try {
    const { payload } = await jwtVerify(request.headers['gatehouse-assertion'] ?? '', gatewayKeys, {
      issuer: gateway,
      audience: `upstream:${origin}`,
      typ: 'gatehouse+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['sub', 'exp'],
    })
    return { verified: true, claims: payload }
  } catch (error) {
    return { verified: false, error: error.code ?? error.name }
  }
}

/** Server-sent events: an order a second, for as long as somebody listens. */
function streamEvents(response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  let number = 0
  const tell = () => response.write(`event: order\ndata: ${JSON.stringify(orders[number++ % orders.length])}\n\n`)
  tell()
  const timer = setInterval(tell, 1000)
  response.on('close', () => clearInterval(timer))
}

function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
