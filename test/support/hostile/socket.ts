// Bytes on a socket of their own, and every answer that comes back: no client library repairs a request first.

import { connect } from 'node:net'

/** An answer as it stood on the wire (as Latin-1). */
export interface Reply {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** `hung`: nothing whole has come in time. `closed`: the server hung up without an answer. */
export type Exchange =
  | { readonly outcome: 'answered'; readonly replies: readonly Reply[] }
  | { readonly outcome: 'hung' | 'closed' }

const CAP_MS = 10_000

/**
 * Writes `text` (as Latin-1), reads an answer, then says that no more will come and reads whatever still does, so that
 * a request inside a request has its answer here as well. With `isCutOff`, says so at once.
 */
export function exchange(port: number, text: string, isCutOff = false): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const isHead = text.startsWith('HEAD ')
    const timer = setTimeout(() => finish('hung'), CAP_MS)
    let received = ''

    function finish(otherwise: 'hung' | 'closed'): void {
      clearTimeout(timer)
      socket.destroy()
      const replies = parseReplies(received, isHead)
      resolve(replies.length === 0 ? { outcome: otherwise } : { outcome: 'answered', replies })
    }

    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      received += String(chunk)
      if (parseReplies(received, isHead).length > 0) socket.end()
    })
    socket.on('error', () => finish('closed'))
    socket.on('close', () => finish('closed'))
    socket.write(text, 'latin1')
    if (isCutOff) socket.end()
  })
}

/** Values of a header, whatever its case; several lines stay several. */
export function valuesOf({ headers }: Pick<Reply, 'headers'>, name: string): readonly string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/** The whole answers at the beginning of a text; what follows the last whole one is left out. */
function parseReplies(text: string, isHead: boolean): readonly Reply[] {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return []
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  const headers = lines.map(parseLine)
  const body = readBody({ headers }, status, isHead, text.slice(end + 4))
  if (body === null) return []
  return [{ status, headers, body: body.text }, ...parseReplies(body.rest, isHead)]
}

function parseLine(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

interface Body {
  readonly text: string
  readonly rest: string
}

/** RFC 9112 §6.3; `null` where it is not whole yet. */
function readBody(head: Pick<Reply, 'headers'>, status: number, isHead: boolean, text: string): Body | null {
  if (isHead || status < 200 || status === 204 || status === 304) return { text: '', rest: text }
  if (valuesOf(head, 'Transfer-Encoding').length > 0) return readChunks(text, '')
  const [length] = valuesOf(head, 'Content-Length').map(Number)
  if (length === undefined || text.length < length) return null
  return { text: text.slice(0, length), rest: text.slice(length) }
}

function readChunks(text: string, read: string): Body | null {
  const lineEnd = text.indexOf('\r\n')
  const size = Number.parseInt(text.slice(0, lineEnd), 16)
  const end = lineEnd + 2 + size
  if (lineEnd < 0 || text.length < end + 2) return null
  const whole = read + text.slice(lineEnd + 2, end)
  return size === 0 ? { text: whole, rest: text.slice(end + 2) } : readChunks(text.slice(end + 2), whole)
}
