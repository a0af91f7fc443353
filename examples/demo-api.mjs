// The demo API behind the gateway: a small JSON API that knows nothing of sessions and tokens. The gateway has decided
// who may come here, and says who it is in `Gatehouse-*` headers. GET /me shows what arrives. It has a login of its own,
// as an API has that was there before the gateway: POST /login, /logout and /promote tell the gateway what they decided.
// GET / is a page that shows in the browser what the gateway does.
import { scryptSync, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
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

/** Who may sign in here, each with the password `<name>'s secret`. */
const users = new Map(
  ['grace', 'linus'].map((name) => [name, { salt: name, hash: scryptSync(`${name}'s secret`, name, 32) }]),
)

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

/** The demo page, and what it loads. */
const files = {
  '/': { type: 'text/html', body: read('demo/index.html') },
  '/public/demo.css': { type: 'text/css', body: read('demo/demo.css') },
  '/public/demo.js': { type: 'text/javascript', body: read('demo/demo.js') },
  '/public/gatehouse.js': { type: 'text/javascript', body: read('../client/gatehouse.js') },
}
const FILE_HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(port, '127.0.0.1', () => console.log(`demo API on ${origin}`))

async function answer(request, response) {
  const [path] = request.url.split('?')
  if (request.method === 'POST' && actions[path]) return actions[path](request, response)
  if (request.method !== 'GET') return send(response, 405, { error: 'only GET here' })
  if (path === '/orders/events') return streamEvents(response)
  if (Object.hasOwn(files, path)) return sendFile(response, files[path])
  for (const { pattern, body } of routes) {
    const match = pattern.exec(path)
    const found = match && (await body(request, match[1]))
    if (found) return send(response, 200, found)
  }
  return send(response, 404, { error: 'nothing here' })
}

/** What changes who is signed in. The routes of these in wrangler.toml have `session_control = true`. */
const actions = {
  '/login': async (request, response) => {
    const { name, password } = await readFields(request)
    if (!isRight(name, password)) return send(response, 401, { error: 'name or password is wrong' })
    control(request, response, 'open', { sub: name, roles: 'member', scope: 'orders:read' })
    return finish(request, response, '/me', { hello: name })
  },
  '/logout': async (request, response) => {
    control(request, response, 'end')
    return finish(request, response, '/public/hello', { bye: subjectOf(request) })
  },
  /** As if the customer had just paid for it. */
  '/promote': async (request, response) => {
    control(request, response, 'change', { sub: subjectOf(request), roles: 'member admin' })
    return finish(request, response, '/admin/report', { promoted: subjectOf(request) })
  },
}

/**
 * Tells the gateway to sign in, out or change somebody: one header that echoes `Gatehouse-Control`, which only the
 * gateway can have sent. Without the gateway in front there is nothing to echo, and nothing to tell.
 */
function control(request, response, member, parameters = {}) {
  const echo = request.headers['gatehouse-control']
  if (echo === undefined) return
  const pairs = Object.entries({ ...parameters, control: echo }).map(([name, value]) => `;${name}=${quote(value)}`)
  response.setHeader('Gatehouse-Session', member + pairs.join(''))
}

/** RFC 9651 §3.3.3. Whatever was put in unquoted could end the string and begin another parameter. */
function quote(text) {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Equal work for a name that is not there. */
function isRight(name = '', password = '') {
  const user = users.get(name)
  const { salt, hash } = user ?? { salt: '', hash: Buffer.alloc(32) }
  return timingSafeEqual(scryptSync(password, salt, 32), hash) && user !== undefined
}

/** The fields of a form or of a JSON object, those that are text. */
async function readFields(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const fields = isForm(request) ? Object.fromEntries(new URLSearchParams(text)) : parseJson(text)
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === 'string'))
}

function parseJson(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

function isForm(request) {
  return (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')
}

/** A form is sent on to a page; whoever sent JSON gets JSON. */
function finish(request, response, location, body) {
  if (!isForm(request)) return send(response, 200, body)
  response.setHeader('Location', location)
  return send(response, 303, body)
}

function subjectOf(request) {
  return decodeURIComponent(request.headers['gatehouse-subject'] ?? '')
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

function read(name) {
  return readFileSync(new URL(name, import.meta.url))
}

function sendFile(response, { type, body }) {
  response.writeHead(200, { ...FILE_HEADERS, 'Content-Type': `${type}; charset=utf-8` })
  response.end(body)
}

function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
