// A request's method, URL and headers, read once: a look into the runtime's own objects costs more than what is done with it.

import { Denial } from './denial.ts'

/** What every step but the last needs of a request; a `Request` is one. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly headers: HeadHeaders
}

export interface HeadHeaders {
  readonly get: (name: string) => string | null
  readonly has: (name: string) => boolean
  readonly forEach: (visit: (value: string, name: string) => void) => void
}

/** Characters of all names and values together, and of the URL. */
const MAX_HEADERS = 32 * 1024
const MAX_URL = 16 * 1024

/** Asked before anything is parsed. @throws Denial `headers_too_large` */
export function enforceSize({ url, headers }: RequestHead): void {
  let characters = 0
  headers.forEach((value, name) => {
    characters += name.length + value.length
  })
  if (characters > MAX_HEADERS || url.length > MAX_URL) throw new Denial('headers_too_large')
}

/** The head of a request in plain memory. Lines of one name are joined by a comma, as `Headers` gives them. */
export function readHead(request: Request): RequestHead {
  const values = new Map<string, string>()
  request.headers.forEach((value, name) => {
    values.set(name, value)
  })
  return {
    method: request.method,
    url: request.url,
    headers: {
      get: (name) => values.get(name.toLowerCase()) ?? null,
      has: (name) => values.has(name.toLowerCase()),
      forEach: (visit) => values.forEach(visit),
    },
  }
}
