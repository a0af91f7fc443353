// Writes into the storage process what a gateway, or somebody else, would have written before the first request.

export interface Query {
  readonly sql: string
  readonly params: readonly (string | number)[]
}

export interface Storage {
  readonly put: (key: string, value: string) => Promise<void>
  /** In this order, in one transaction or not. */
  readonly run: (queries: readonly Query[]) => Promise<void>
}

export function createStorage(port: number): Storage {
  const origin = `http://127.0.0.1:${port}`
  return {
    put: (key, value) => write(`${origin}/${encodeURIComponent(key)}`, 'PUT', value),
    run: (queries) => write(origin, 'POST', JSON.stringify(queries)),
  }
}

async function write(url: string, method: string, body: string): Promise<void> {
  const { ok, status } = await fetch(url, { method, body })
  if (!ok) throw new Error(`storage answered ${status}`)
}
