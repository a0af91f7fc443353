// Routes as the configuration would give them, from the few members that a test is about.

import type { Cors, Route, Segment } from '../../src/config/config.ts'
import { foldSegment } from '../../src/config/pattern.ts'

type Changes = Partial<Omit<Route, 'path' | 'host'>> & { readonly host?: string }

/** A route of this path pattern, open in nothing; `host` is written like a pattern too. */
export function routeOf(path: string, { host, ...changes }: Changes = {}): Route {
  return {
    key: `${host ?? ''}${path}`,
    path: {
      source: path,
      segments: path.split('/').slice(1).filter(isSegment).map(parse),
      wildcard: path.endsWith('/*'),
    },
    host: host === undefined ? null : { source: host, labels: host.split('.').map(parse) },
    methods: null,
    upstream: { origin: 'https://origin.example.com', path: '/', binding: null },
    stripSegments: 0,
    access: 'required',
    acceptsSelf: true,
    issuers: [],
    credentials: new Set(['bearer', 'cookie']),
    scopes: [],
    roles: [],
    claims: [],
    maxAuthAge: null,
    revocation: 'marker',
    onOutage: 'deny',
    unauthenticated: '401',
    identity: new Set(['headers', 'assertion']),
    headers: [],
    forwardToken: false,
    allowHeaders: new Set(),
    sessionControl: null,
    timeout: 30,
    allowInPath: new Set(),
    rateLimit: null,
    cors: null,
    ...changes,
  }
}

/** CORS for one origin, with credentials. */
export function corsOf(changes: Partial<Cors> = {}): Cors {
  return { origins: ['https://app.example.com'], credentials: true, headers: [], expose: [], maxAge: 600, ...changes }
}

function isSegment(text: string): boolean {
  return text !== '' && text !== '*'
}

function parse(text: string): Segment {
  return text.startsWith(':') ? { param: text.slice(1) } : { literal: foldSegment(text) }
}
