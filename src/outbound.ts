// Asking servers of others: whom one may ask at all, and how much of an answer is read.

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The body, or `null` where it has more bytes; they are counted as they arrive. Does NOT bound its waiting. */
export async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** True for what an issuer may call its own: plain http is for an issuer on this machine, and then for this machine. */
export function mayBelongTo(uri: string, issuer: string): boolean {
  const url = URL.parse(uri)
  return url?.protocol === 'https:' || (url !== null && isLocal(url) && isLocal(new URL(issuer)))
}

function isLocal({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && (hostname === 'localhost' || hostname === '127.0.0.1')
}
