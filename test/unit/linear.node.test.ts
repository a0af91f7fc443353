// No parser that a client without a credential reaches may cost more than its input grows: 16 KB against 4 KB, by ratio.
import { describe, expect, it } from 'vitest'

import { parseEmail } from '../../src/accounts/email.ts'
import { passwordProblem } from '../../src/accounts/password-policy.ts'
import { cookieNames, listSignInCookies, readCookies, withoutOurCookies } from '../../src/auth/cookies.ts'
import { parseReturnTo } from '../../src/auth/return-to.ts'
import { isPreflight, preflightResponse } from '../../src/gateway/cors.ts'
import { isWebSocketUpgrade, readCredential, withoutTokenProtocol } from '../../src/gateway/credential.ts'
import { holdsOwnSecret, holdsOwnToken } from '../../src/gateway/own-credential.ts'
import { canonicalTarget, enforceHost, otherReadings } from '../../src/gateway/path.ts'
import { connectionNames, passRequestHeaders } from '../../src/gateway/request-headers.ts'
import { parseJsonObject } from '../../src/json.ts'
import { parseApiKey } from '../../src/keys/format.ts'
import { isNavigation } from '../../src/navigation.ts'
import { addressBlocks } from '../../src/rate-limit.ts'
import { parseSessionToken } from '../../src/sessions/session-token.ts'
import { parseToken } from '../../src/tokens/grammar.ts'

const NAMES = cookieNames(false)
const KEYS = [new Uint8Array(32)]
const KINDS = new Set(['bearer', 'cookie', 'api-key'] as const)
const ISSUER = 'https://gateway.test'
const CONFIG = { issuer: ISSUER, webOrigins: ['https://app.example.com'] }
const CORS = { origins: ['*'], credentials: false, headers: [], expose: [], maxAge: 1 }

function head(name: string, text: string, others: Record<string, string> = {}) {
  const values = new Map(
    [...Object.entries(others), [name, text]].map(([key = '', value = '']) => [key.toLowerCase(), value]),
  )
  return {
    method: 'GET',
    url: 'https://gateway.test/',
    headers: {
      get: (key: string) => values.get(key.toLowerCase()) ?? null,
      has: (key: string) => values.has(key.toLowerCase()),
      forEach: (visit: (value: string, key: string) => void) => values.forEach(visit),
    },
  }
}

const RULES = {
  keepAuthorization: true,
  issuer: ISSUER,
  route: { forwardToken: false, allowHeaders: new Set<string>() },
  takesApiKeys: false,
  identityHeaderNames: new Set<string>(),
  cookies: NAMES,
}
const UPGRADE = { Upgrade: 'websocket' }

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  'an e-mail': parseEmail,
  'an e-mail with both ends': (text) => parseEmail(`a@b${text}c`),
  'a new password': passwordProblem,
  'a JSON body': parseJsonObject,
  'a JSON body of a text': (text) => parseJsonObject(`{"a":${JSON.stringify(text)}}`),
  'session and access cookie': (text) => readCookies(text, NAMES),
  'a session cookie behind others': (text) => readCookies(`${text}; ${NAMES.session}=x`, NAMES),
  'cookies of sign-ins': (text) => listSignInCookies(`${NAMES.signIn}x=1;${text}`, NAMES),
  'the cookies of others': (text) => withoutOurCookies(`${text};${NAMES.access}=1`, NAMES),
  'an Authorization': (text) => readCredential(head('Authorization', text), KINDS, NAMES),
  'a bearer token': (text) => readCredential(head('Authorization', `Bearer ${text}`), KINDS, NAMES),
  'an X-API-Key': (text) => readCredential(head('X-API-Key', text), KINDS, NAMES),
  subprotocols: (text) => readCredential(head('Sec-WebSocket-Protocol', text, UPGRADE), KINDS, NAMES),
  'subprotocols for the upstream': withoutTokenProtocol,
  'an Upgrade': (text) => isWebSocketUpgrade(head('Upgrade', text)),
  'an Accept': (text) => isNavigation(head('Accept', text)),
  'a Content-Type': (text) => isNavigation({ ...head('Content-Type', text), method: 'POST' }),
  'a Connection': (text) => connectionNames(head('Connection', text).headers),
  'headers for the upstream': (text) => passRequestHeaders(head('X-Any', text).headers, RULES),
  'cookies for the upstream': (text) => passRequestHeaders(head('Cookie', text).headers, RULES),
  'a preflight': (text) => {
    const request = head('Access-Control-Request-Method', text, { Origin: 'https://a.example' })
    return isPreflight(request) || preflightResponse(request, { methods: null }, CORS)
  },
  'a secret of ours in a value': holdsOwnSecret,
  'a token of ours in a value': (text) => holdsOwnToken(`Bearer ${text}`, ISSUER),
  'a token of ours in Basic': (text) => holdsOwnToken(`Basic ${Buffer.from(text).toString('base64')}`, ISSUER),
  'a path': (text) => canonicalTarget(`https://gateway.test/${text}`),
  'a query': (text) => canonicalTarget(`https://gateway.test/?${text}`),
  'the readings of a path': (text) => otherReadings(canonicalTarget(`https://gateway.test/${text}`)),
  'a Host': enforceHost,
  'a JWT': parseToken,
  'a JWT of three parts': (text) => parseToken(`e30.${text}.c2ln`),
  'an API key': parseApiKey,
  'a session token': (text) => parseSessionToken(KEYS, 'c', text),
  'a return_to': (text) => parseReturnTo(CONFIG, `/${text}`),
  'a client’s address': addressBlocks,
}

const CLASSES: Readonly<Record<string, string>> = {
  blanks: ' ',
  'blanks and a letter': '                a',
  tabs: '\t',
  semicolons: ';',
  commas: ',',
  'commas and blanks': ', ',
  'equals signs': '=',
  slashes: '/',
  backslashes: '\\',
  dots: '.',
  colons: ':',
  quotes: '"',
  'escaped quotes': '\\"',
  brackets: '[',
  braces: '{"a":',
  digits: '1',
  letters: 'a',
  'percent-encoded letters': '%41',
  'percent-encoded slashes': '%2F',
  'percent signs': '%',
  ampersands: 'a&',
  'combining marks': 'e\u0301',
  surrogates: '\u{1F600}',
  'our cookie': '__Host-gatehouse_session ',
  'our cookie with a value': '__Host-gatehouse_access=x;',
  'our sign-in cookie': '__Host-gatehouse_sign_in_ ',
  'media ranges': 'text/html;q=0.1,',
  'token protocols': 'gatehouse.bearer.a, ',
  'beginnings of tokens': '.eyJ',
  'beginnings of keys': 'gth_key_',
  bearers: ',bearer ',
}

/** Milliseconds of the quickest of several runs; what is refused is measured too. */
function quickest(parse: (text: string) => unknown, text: string): number {
  const runs = Array.from({ length: 5 }, () => {
    const began = performance.now()
    try {
      void Promise.resolve(parse(text)).catch(() => undefined)
    } catch {}
    return performance.now() - began
  })
  return Math.min(...runs)
}

/** What less than this costs is lost in the clock's noise. */
const FLOOR_MS = 0.25
/** Four times the input; quadratic work is sixteen times as much. */
const MOST = 9

describe.each(Object.entries(PARSERS))('the work for %s', (_, parse) => {
  it('grows no faster than the input, whatever it is made of', () => {
    const grown = Object.entries(CLASSES).flatMap(([name, unit]) => {
      const [small, large] = [4096, 16_384].map((length) => unit.repeat(Math.ceil(length / unit.length)))
      const ratio = () => quickest(parse, large ?? '') / Math.max(FLOOR_MS, quickest(parse, small ?? ''))
      return ratio() > MOST && ratio() > MOST ? [name] : []
    })
    expect(grown).toEqual([])
  })
})
