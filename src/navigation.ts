// Which requests a person waits for in front of a page: he reads HTML, programs read JSON.

import { trimOws } from './ows.ts'
import type { RequestHead } from './request-head.ts'

/**
 * True where a browser is about to show the answer as a page: it says so itself (Fetch Metadata §2.1, §2.2), or it is too
 * old to and asks for HTML rather than JSON, by address or by form. `fetch`, frames, sockets and programs are none;
 * a wildcard in `Accept` asks for nothing.
 */
export function isNavigation({ method, headers }: RequestHead): boolean {
  const reads = method === 'GET' || method === 'HEAD'
  if (!reads && method !== 'POST') return false
  const mode = headers.get('Sec-Fetch-Mode')
  const destination = headers.get('Sec-Fetch-Dest')
  if (mode !== null || destination !== null) return mode === 'navigate' && destination === 'document'
  return (reads || isForm(headers.get('Content-Type'))) && prefersHtml(headers.get('Accept'))
}

/**
 * True where the browser says that the answer will be no page of its own: an image, a frame, what a script asks for. Of one
 * that is too old to say, nothing is known.
 */
export function isEmbedded({ headers }: RequestHead): boolean {
  const mode = headers.get('Sec-Fetch-Mode') ?? 'navigate'
  const destination = headers.get('Sec-Fetch-Dest') ?? 'document'
  return mode !== 'navigate' || destination !== 'document'
}

/** What marks an answer that `isNavigation` decided the form of (RFC 9110 §12.5.5). */
export const VARY_ON_NAVIGATION = 'Accept, Sec-Fetch-Dest, Sec-Fetch-Mode'

/** The types that a form without a script can send (HTML §4.10.19.6). */
const FORMS: ReadonlySet<string> = new Set(['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'])

function isForm(contentType: string | null): boolean {
  return FORMS.has(typeOf(contentType ?? ''))
}

/** `text/html` by name, with more weight than any JSON, or as much and before it (RFC 9110 §12.5.1). */
function prefersHtml(accept: string | null): boolean {
  if (accept === null || accept.length > MAX_ACCEPT) return false
  const ranges = accept.split(',').map((range) => ({ type: typeOf(range), weight: weightOf(range) }))
  const wanted = ranges.filter(({ weight }) => weight > 0).toSorted((left, right) => right.weight - left.weight)
  return wanted.find(({ type }) => type === HTML || isJson(type))?.type === HTML
}

/** Characters; browsers send some 200. A longer list is a program's, and is not read. */
const MAX_ACCEPT = 2048

const HTML = 'text/html'

function isJson(type: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json$/.test(type)
}

function typeOf(text: string): string {
  const end = text.indexOf(';')
  return trimOws(end < 0 ? text : text.slice(0, end)).toLowerCase()
}

/** A weight that cannot be read asks for nothing. */
function weightOf(range: string): number {
  const weight = /;\s*q\s*=\s*([^;,\s]*)/i.exec(range)?.[1]
  if (weight === undefined) return 1
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0
}
