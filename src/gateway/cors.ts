// CORS by configuration: preflights answered by the gateway, and its own headers in place of the upstream's (Fetch §3.2).

import type { Cors, Route } from '../config/config.ts'
import { trimOws } from '../ows.ts'
import type { RequestHead } from '../request-head.ts'
import { methodsOf } from './route.ts'

/** True for a CORS preflight (Fetch §4.8). */
export function isPreflight(request: RequestHead): boolean {
  return request.method === 'OPTIONS' && request.headers.has('Origin') && request.headers.has(REQUEST_METHOD)
}

/** The answer to a preflight, before any credential is asked for; an origin that is not allowed learns nothing. */
export function preflightResponse(request: RequestHead, route: Pick<Route, 'methods'>, cors: Cors): Response {
  const headers = new Headers({ Vary: `Origin, ${REQUEST_METHOD}, Access-Control-Request-Headers` })
  const origin = allowedOrigin(request, cors)
  if (origin === null) return new Response(null, { status: 204, headers })
  setOrigin(headers, origin, cors)
  headers.set('Access-Control-Allow-Methods', preflightMethods(request, route).join(', '))
  if (cors.headers.length > 0) headers.set('Access-Control-Allow-Headers', cors.headers.join(', '))
  headers.set('Access-Control-Max-Age', String(cors.maxAge))
  return new Response(null, { status: 204, headers })
}

/**
 * The same response with the gateway's `Access-Control-*` headers and no others.
 * A WebSocket's 101 comes back unchanged: CORS has no part in it (Fetch §3.2.5), `enforceSameSite` does.
 */
export function withCors(response: Response, request: RequestHead, cors: Cors): Response {
  if (response.status === 101) return response
  const answer = new Response(response.body, response)
  const names = [...answer.headers.keys()].filter((name) => name.toLowerCase().startsWith('access-control-'))
  for (const name of names) answer.headers.delete(name)
  const origin = allowedOrigin(request, cors)
  if (origin !== null) {
    setOrigin(answer.headers, origin, cors)
    if (cors.expose.length > 0) answer.headers.set('Access-Control-Expose-Headers', cors.expose.join(', '))
  }
  varyOnOrigin(answer.headers)
  return answer
}

const REQUEST_METHOD = 'Access-Control-Request-Method'
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Byte for byte, as Fetch's own CORS check compares (§4.10). */
function allowedOrigin(request: RequestHead, cors: Cors): string | null {
  const origin = request.headers.get('Origin')
  if (origin === null) return null
  if (cors.origins.includes('*')) return '*'
  return cors.origins.includes(origin) ? origin : null
}

/** Browsers refuse credentials beside `*`, and nobody may come to depend on it (Fetch §3.2.6). */
function setOrigin(headers: Headers, origin: string, cors: Cors): void {
  headers.set('Access-Control-Allow-Origin', origin)
  if (cors.credentials && origin !== '*') headers.set('Access-Control-Allow-Credentials', 'true')
}

/** `*` would not count with credentials, so a route of all methods names the common ones and the one asked for. */
function preflightMethods(request: RequestHead, route: Pick<Route, 'methods'>): readonly string[] {
  const asked = request.headers.get(REQUEST_METHOD)
  if (route.methods !== null || asked === null || !TOKEN.test(asked)) return methodsOf(route)
  return [...new Set([...methodsOf(route), asked])]
}

function varyOnOrigin(headers: Headers): void {
  const listed = (headers.get('Vary') ?? '').split(',').map((name) => trimOws(name).toLowerCase())
  if (!listed.some((name) => name === 'origin' || name === '*')) headers.append('Vary', 'Origin')
}
