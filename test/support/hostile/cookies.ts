// Cookies: ours forged, doubled, hidden and tossed in from elsewhere, and good ones sent by another site.

import { OUR_COOKIE } from './oracle.ts'
import type { Credential, Hostile, Outcome } from './request.ts'
import { hostile, HOST } from './request.ts'
import type { Browser, People } from './world.ts'

const PASSED: readonly Outcome[] = ['passed']
const NONE: readonly Outcome[] = ['401 credential_required']
const TWICE: readonly Outcome[] = ['400 ambiguous_credential']
const CROSS: readonly Outcome[] = ['403 cross_site_request']

const SESSION = '__Host-gatehouse_session'
const ACCESS = '__Host-gatehouse_access'

/** Each header where a credential is asked for, where it may be left out, and where nobody looks at one. */
export function cookieHeaders(people: People): readonly Hostile[] {
  const { browser, user } = people
  const { session, access, who } = browser
  const good = `${SESSION}=${session}`
  const both = `${good}; ${ACCESS}=${access}`
  const rows: readonly (readonly [cookies: readonly string[], may: readonly Outcome[]])[] = [
    [[both], PASSED],
    [[`${ACCESS}=${access};${good}`], PASSED],
    [[`a=b; ${both}; c=d`], PASSED],
    [[good], PASSED],
    [[`${good}; ${ACCESS}=`], PASSED],
    [[`${good}; ${ACCESS}=garbage`], PASSED],
    [[`${good}; ${ACCESS}=${user.token}`], PASSED],
    [[`${SESSION}= ${session} `], PASSED],
    [[`${SESSION} =${session}`], PASSED],
    [[`${ACCESS}=${access}`], NONE],
    [[`${SESSION}=; ${ACCESS}=${access}`], NONE],
    [[`${SESSION}=garbage; ${ACCESS}=${access}`], NONE],
    [[`${good}; ${good}`], TWICE],
    [[`${good}; ${SESSION}=x`], TWICE],
    [[`${SESSION}=; ${good}`], TWICE],
    [[both, both], TWICE],
    [[`a=b`, both], TWICE],
    [[both, `a=b`], TWICE],
    [[`a=b, ${good}`], TWICE],
    [[`${good}, a=b`], TWICE],
    [[`a="b; ${good}"`], NONE],
    [[`a="${good}`], [...NONE, ...TWICE]],
    [[`${good}; ${ACCESS}=${access}; ${ACCESS}=${access}`], TWICE],
    [[`${SESSION}="${session}"`], NONE],
    [[`${SESSION}==${session}`], NONE],
    [[`${SESSION}%3D${session}`], NONE],
    [[`__host-gatehouse_session=${session}`], NONE],
    [[`__HOST-GATEHOUSE_SESSION=${session}`], NONE],
    [[`gatehouse_session=${session}; gatehouse_access=${access}`], NONE],
    [[`__Secure-gatehouse_session=${session}`], NONE],
    [[`x${SESSION}=${session}`], NONE],
    [[`=${SESSION}=${session}`], [...NONE, ...TWICE]],
    [[`${SESSION}\t=${session}`], PASSED],
    [[`\t${SESSION}=${session}`], PASSED],
    [[`a\xa0${SESSION}=${session}`], [...NONE, ...TWICE]],
    [[SESSION], NONE],
    [[';;;;'], NONE],
    [['='], NONE],
    [[''], NONE],
    [['; '.repeat(2000)], NONE],
    [[`a=${'b'.repeat(20_000)}`], NONE],
    [[`${SESSION}=x; `.repeat(500)], TWICE],
    ...forgedSessions(session).map((text) => [[`${SESSION}=${text}; ${ACCESS}=${access}`], NONE] as const),
  ]
  return rows.flatMap(([cookies, may]) => {
    const lines = cookies.map((cookie) => `Cookie: ${cookie}`)
    const secrets = cookies.some((cookie) => OUR_COOKIE.test(cookie)) ? browser.secrets : []
    const credential = { ...browser, lines, secrets, who: may === PASSED ? who : null }
    return [
      cookieCase('/cookie/x', credential, may),
      cookieCase('/orders/1', credential, may),
      cookieCase('/optional/x', credential, may.includes('401 credential_required') ? [...may, ...PASSED] : may),
      cookieCase('/public/x', { ...credential, who: null }, PASSED),
    ]
  })
}

function cookieCase(target: string, credential: Credential, may: readonly Outcome[]): Hostile {
  const [line = ''] = credential.lines
  return hostile({ name: line.slice(0, 60), target, may, credential })
}

/** CVE-2023-35941 and its like: one part of the token changed, or moved over the joint. */
function forgedSessions(session: string): readonly string[] {
  const [head = '', generation = '', mac = ''] = session.split('.')
  const last = mac.slice(-1)
  return [
    `${head}.${Number(generation) + 1}.${mac}`,
    `${head}.0${generation}.${mac}`,
    `${head}.${generation}0.${mac}`,
    `${head}.+${generation}.${mac}`,
    `${head}.99999999999999999999.${mac}`,
    `${head}.-1.${mac}`,
    `${head}.${mac}`,
    `${head}.${generation}.`,
    `${head}.${generation}.${'A'.repeat(43)}`,
    `${head}.${generation}.${mac.slice(0, -1)}`,
    `${head}.${generation}.${mac.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`,
    `${head}.${generation}.${mac}=`,
    `${head}.${generation}.${mac}.`,
    session.replace('gth_c_', 'gth_r_'),
    session.replace('gth_c_', 'GTH_C_'),
    session.replace(/ses_./, 'ses_-'),
    session.replace('ses_', 'usr_'),
    ` ${session} ${session}`,
    `${session}\xe9`,
    session.toLowerCase(),
    encodeURIComponent(session).replaceAll('.', '%2E'),
    `ses_${'A'.repeat(22)}`,
  ]
}

/** What browsers say of where a request comes from; `null` is not said (Fetch Metadata §2.3, RFC 6454 §7). */
const CROSS_SITE: readonly (readonly string[])[] = [
  [],
  ['Origin: null'],
  ['Origin:'],
  ['Origin: https://evil.test'],
  ['Origin: http://gateway.test'],
  ['Origin: https://gateway.test/'],
  ['Origin: https://gateway.test:443'],
  ['Origin: https://gateway.test:8443'],
  ['Origin: https://GATEWAY.test'],
  ['Origin: https://gateway.test.'],
  ['Origin: https://gateway.test.evil.test'],
  ['Origin: https://evil-gateway.test'],
  ['Origin: https://evil.test#https://gateway.test'],
  ['Origin: https://evil.test, https://gateway.test'],
  ['Origin: https://gateway.test', 'Origin: https://evil.test'],
  ['Origin: https://gateway.test', 'Origin: https://gateway.test'],
  ['Sec-Fetch-Site: none'],
  ['Sec-Fetch-Site: same-site'],
  ['Sec-Fetch-Site: cross-site'],
  ['Sec-Fetch-Site: Same-Origin'],
  ['Sec-Fetch-Site: "same-origin"'],
  ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
  ['Sec-Fetch-Site: cross-site', 'Origin: null'],
  ['Sec_Fetch_Site: same-origin'],
  ['Referer: https://gateway.test/'],
  ['X-Requested-With: XMLHttpRequest'],
]

/** A good session, sent by another site: no write, no socket. */
export function crossSite({ browser }: People): readonly Hostile[] {
  const methods = ['POST', 'PUT', 'PATCH', 'DELETE']
  const socket = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ]
  return CROSS_SITE.flatMap((lines, row) => [
    crossCase(browser, lines, methods[row % methods.length] ?? 'POST', '/orders/1'),
    crossCase(browser, [...lines, ...socket], 'GET', '/cookie/x'),
    crossCase(browser, lines, 'POST', '/auth/sign-out'),
    crossCase(browser, lines, 'POST', '/auth/sign-out-everywhere'),
  ])
}

function crossCase(browser: Browser, lines: readonly string[], method: string, target: string): Hostile {
  const name = `from ${lines.join(' | ').slice(0, 80) || 'nowhere'} on ${HOST}`
  return hostile({
    name,
    method,
    target,
    lines,
    may: CROSS,
    credential: browser,
    ...(method === 'GET' ? {} : { body: '' }),
  })
}
