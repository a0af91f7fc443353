// A request's method, URL and headers, read once: a look into the runtime's own objects costs more than what is done with it.

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
