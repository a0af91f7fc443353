// What a request target is and may be taken for, worked out here by other means than the gateway's.

/**
 * The one canonical form of a request target (RFC 3986 §6.2.2): what was sent in absolute form is without its origin,
 * what lies behind `#` never reaches a Worker, and the URL Standard's fetch encodes four characters of a query.
 */
export function canonicalForm(target: string): string {
  const [whole = ''] = target.replace(/^[a-z]+:\/\/[^/]*/i, '').split('#')
  const at = whole.indexOf('?')
  const [path, query] = at < 0 ? [whole, ''] : [whole.slice(0, at), whole.slice(at)]
  return canonicalPath(path) + query.replaceAll(/["'<>]/g, encode)
}

/** Every reading of a path, from the strictest (as it stands) to the sloppiest, that servers are known to make. */
export function readingsOf(path: string): ReadonlySet<string> {
  const readings = new Set([path])
  for (const reading of readings) {
    for (const read of SLOPPY) readings.add(read(reading))
  }
  return readings
}

const SLOPPY: readonly ((path: string) => string)[] = [
  (path) => path.replaceAll(/%[0-9a-f]{2}/gi, decode),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replaceAll(/;[^/]*/g, ''),
  (path) => path.replaceAll(/\/{2,}/g, '/'),
  (path) => path.replace(/[?#\0][^]*/, ''),
  (path) => path.toLowerCase(),
  resolveDots,
]

function canonicalPath(path: string): string {
  return (path.match(/%[0-9a-f]{2}|[^]/gi) ?? []).map(canonicalCharacter).join('')
}

function canonicalCharacter(text: string): string {
  if (text.length === 1) return /[\w.~!$&'()*+,;=:@/%-]/.test(text) ? text : encode(text)
  return /[\w.~-]/.test(decode(text)) ? decode(text) : text.toUpperCase()
}

function decode(triplet: string): string {
  return String.fromCodePoint(Number.parseInt(triplet.slice(1), 16))
}

function encode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`
}

/** RFC 3986 §5.2.4. */
function resolveDots(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  return `/${kept.join('/')}`
}
