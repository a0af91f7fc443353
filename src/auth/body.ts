// The body of a request to the gateway itself: a flat list of texts, as JSON or as a form; or JSON alone, of any depth.

import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { decodeUtf8, parseJsonObject } from '../json.ts'
import { trimOws } from '../ows.ts'
import { BODY_LIMIT_MS, withinTime } from '../time-limit.ts'

export type Body = Readonly<Record<string, string>>

type Members = readonly (readonly [string, unknown])[]

/**
 * The members of a body, each one of `allowed`, once, and a text; an empty body has none.
 * JSON (RFC 8259) and forms (URL Standard §5) by Content-Type, which is not guessed. Bytes are counted as they arrive.
 * Does NOT ask for members; flows do.
 * @throws Denial `invalid_request`, `too_large`.
 */
export async function readBody(request: Request, allowed: readonly string[], limitBytes = 16_384): Promise<Body> {
  const text = await readText(request, limitBytes)
  if (text === '') return {}
  return parseMembers(parserOf(request.headers.get('Content-Type'))(text), allowed)
}

/**
 * The object that a JSON body is; an empty body is one without members. Forms are refused.
 * Does NOT look at its members; whoever asked for it does.
 * @throws Denial `invalid_request`, `too_large`.
 */
export async function readJsonBody(request: Request, limitBytes = 16_384): Promise<JsonObject> {
  const text = await readText(request, limitBytes)
  if (text === '') return {}
  if (mediaType(request.headers.get('Content-Type')) !== JSON_TYPE) throw invalid('the body must be application/json')
  const object = parseObject(text)
  if (!isWellFormed(object)) throw invalid('the body has half a surrogate pair')
  return object
}

async function readText(request: Request, limitBytes: number): Promise<string> {
  const text = decodeUtf8(await readInTime(request, limitBytes))
  if (text === null) throw invalid('the body is not UTF-8')
  return text
}

/**
 * The fields of a form, each once; a standard says that whoever does not know one ignores it. The rest as `readBody`.
 * @throws Denial `invalid_request`, `too_large`.
 */
export async function readForm(request: Request, limitBytes = 16_384): Promise<Body> {
  const parse = parserOf(request.headers.get('Content-Type'))
  if (parse !== parseForm) throw invalid('the body must be application/x-www-form-urlencoded')
  const text = decodeUtf8(await readInTime(request, limitBytes))
  if (text === null) throw invalid('the body is not UTF-8')
  return parseMembers(parse(text), null)
}

/** A client that stops sending is not waited for. */
async function readInTime(request: Request, limitBytes: number): Promise<Uint8Array> {
  try {
    return await withinTime(readBytes(request, limitBytes), BODY_LIMIT_MS)
  } catch (error) {
    if (error instanceof Denial) throw error
    throw invalid('the body did not come whole', error)
  }
}

async function readBytes(request: Request, limitBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get('Content-Length') ?? 0) > limitBytes) throw new Denial('too_large')
  if (request.body === null) return new Uint8Array()
  const stream: ReadableStream<Uint8Array> = request.body
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    length += chunk.length
    if (length > limitBytes) throw new Denial('too_large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const JSON_TYPE = 'application/json'

function mediaType(contentType: string | null): string | undefined {
  if (contentType === null) return undefined
  const end = contentType.indexOf(';')
  return trimOws(end < 0 ? contentType : contentType.slice(0, end)).toLowerCase()
}

function parserOf(contentType: string | null): (text: string) => Members {
  const type = mediaType(contentType)
  if (type === JSON_TYPE) return parseJson
  if (type === 'application/x-www-form-urlencoded') return parseForm
  throw invalid('the body must be application/json or application/x-www-form-urlencoded')
}

function parseJson(text: string): Members {
  return Object.entries(parseObject(text))
}

function parseObject(text: string): JsonObject {
  const object = parseJsonObject(text)
  if (object === null) throw invalid('the body must be a JSON object, no member twice')
  return object
}

/** Names and texts at every depth have a UTF-8 form. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member))
}

/** Strict where the URL Standard repairs: percent-encoding must be whole and give UTF-8. */
function parseForm(text: string): Members {
  return text.split('&').map((pair) => {
    const [name = '', ...rest] = pair.split('=')
    return [decodeFormText(name), decodeFormText(rest.join('='))] as const
  })
}

function decodeFormText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw invalid('the form is not valid', cause)
  }
}

/** `null` allows every name. */
function parseMembers(members: Members, allowed: readonly string[] | null): Body {
  const names = new Set(members.map(([name]) => name))
  if (names.size < members.length) throw invalid('the body has a member twice')
  return Object.fromEntries(members.map(([name, value]) => [parseName(name, allowed), parseText(name, value)]))
}

function parseName(name: string, allowed: readonly string[] | null): string {
  if (allowed?.includes(name) === false) throw invalid(`the body may have the members ${allowed.join(', ')} only`)
  return name
}

/** Half a surrogate pair has no UTF-8, so two different texts would be hashed as one. */
function parseText(name: string, value: unknown): string {
  if (typeof value !== 'string' || !value.isWellFormed()) throw invalid(`the member ${name} must be a text`)
  return value
}

function invalid(detail: string, cause?: unknown): Denial {
  return new Denial('invalid_request', { reason: detail, members: { detail }, cause })
}
