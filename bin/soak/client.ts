// A device of a user: what it holds, and how it asks the gateway, by the rules that every client keeps.
import { isObject } from '../../src/json.ts'
import type { Answer, Gateway, WhenLost } from './gateway.ts'
import { ISSUER } from './gateway.ts'

export type Kind = 'token' | 'browser'

/** A refresh token or a session cookie, and the access token beside it. */
export interface Device {
  readonly kind: Kind
  readonly token: string
  readonly access: string
}

export interface Reply {
  readonly status: number
  /** The device with what the answer gave it; it keeps what it had where the answer gave nothing. */
  readonly device: Device
}

const COOKIE = { session: '__Host-gatehouse_session', access: '__Host-gatehouse_access' }
const SAME_SITE = { Origin: ISSUER }

/** Signs in by the upstream; `replaced` is the device whose browser it is. `null` where that is refused. */
export async function open({ ask }: Gateway, userId: string, kind: Kind, replaced?: Device): Promise<Device | null> {
  const transport = kind === 'token' ? { 'Gatehouse-Transport': 'token' } : SAME_SITE
  const cookie = replaced === undefined ? {} : cookiesOf(replaced)
  const headers = { 'X-Say': `open;sub="${userId}"`, ...transport, ...cookie }
  return newDevice(kind, await ask('/say', { method: 'POST', headers }))
}

/** Signs in by password. `null` where that is refused, as it is after too many attempts that came to nothing. */
export async function signIn({ ask }: Gateway, email: string, password: string, kind: Kind): Promise<Device | null> {
  const transport = kind === 'token' ? 'token' : 'cookie'
  const body = { email, password, transport }
  return newDevice(kind, await ask('/auth/sign-in', { method: 'POST', headers: SAME_SITE, body }))
}

/** Presents the refresh token, or the session cookie, to be renewed. */
export async function refresh({ ask }: Gateway, device: Device, whenLost?: WhenLost): Promise<Reply> {
  const request =
    device.kind === 'token'
      ? { method: 'POST', body: { refresh_token: device.token } }
      : { method: 'POST', headers: { ...SAME_SITE, ...sessionCookieOf(device) } }
  return replyOf(device, await ask('/auth/refresh', request, whenLost))
}

/** Asks the API: with its access token, or as a browser whose access cookie has expired, which is renewed in-line. */
export async function visit({ ask }: Gateway, device: Device, path: string, whenLost?: WhenLost): Promise<Reply> {
  const headers = device.kind === 'token' ? bearerOf(device) : sessionCookieOf(device)
  return replyOf(device, await ask(path, { headers }, whenLost))
}

/** Signs out; the status of the answer. */
export async function signOut({ ask }: Gateway, device: Device): Promise<number> {
  const request = device.kind === 'token' ? { body: { refresh_token: device.token } } : { headers: withCookies(device) }
  return (await ask('/auth/sign-out', { method: 'POST', ...request })).status
}

export async function signOutEverywhere({ ask }: Gateway, device: Device): Promise<number> {
  return (await ask('/auth/sign-out-everywhere', { method: 'POST', headers: withCredential(device) })).status
}

/** Ends another device of the same user. */
export async function endOther({ ask }: Gateway, device: Device, other: Device): Promise<number> {
  const headers = withCredential(device)
  return (await ask(`/auth/sessions/${sessionOf(other)}`, { method: 'DELETE', headers })).status
}

/** Lets the upstream say something of a user that needs no session. */
export async function say({ ask }: Gateway, member: string): Promise<number> {
  const headers = { ...SAME_SITE, 'X-Say': member }
  return (await ask('/say', { method: 'POST', headers })).status
}

/** Statuses of everything that a device could try with what it holds, where D1 is asked. */
export async function tryEverything(gateway: Gateway, device: Device): Promise<readonly number[]> {
  const strict = await showAccess(gateway, device, '/strict')
  const renewed = await visit(gateway, device, '/strict')
  const refreshed = await refresh(gateway, device)
  return [strict, renewed.status, refreshed.status]
}

/** Shows the access token that it holds, as a browser beside its session cookie; the status of the answer. */
export async function showAccess({ ask }: Gateway, device: Device, path: string): Promise<number> {
  return (await ask(path, { headers: device.kind === 'token' ? bearerOf(device) : cookiesOf(device) })).status
}

export function sessionOf({ token }: Device): string {
  return /_(ses_[\w-]+)\./.exec(token)?.[1] ?? ''
}

export function generationOf({ token }: Device): number {
  return Number(/\.(\d+)\./.exec(token)?.[1])
}

function newDevice(kind: Kind, answer: Answer): Device | null {
  const { device } = replyOf({ kind, token: '', access: '' }, answer)
  return answer.status < 300 && device.token !== '' && device.access !== '' ? device : null
}

function replyOf(device: Device, answer: Answer): Reply {
  const given = device.kind === 'token' ? tokensIn(answer) : cookiesIn(answer)
  return {
    status: answer.status,
    device: { ...device, token: given.token ?? device.token, access: given.access ?? device.access },
  }
}

interface Given {
  readonly token: string | undefined
  readonly access: string | undefined
}

/** In headers by session control, in the body elsewhere. */
function tokensIn({ headers, body }: Answer): Given {
  const parsed: unknown = body.startsWith('{') ? JSON.parse(body) : {}
  const members = isObject(parsed) ? parsed : {}
  return {
    token: textOf(headers['gatehouse-refresh-token'] ?? members['refresh_token']),
    access: textOf(headers['gatehouse-access-token'] ?? members['access_token']),
  }
}

/** A cookie that is taken away has no value. */
function cookiesIn({ headers }: Answer): Given {
  const lines = [headers['set-cookie'] ?? []].flat()
  const find = (name: string) => lines.find((line) => line.startsWith(`${name}=`) && !line.startsWith(`${name}=;`))
  return { token: valueOf(find(COOKIE.session)), access: valueOf(find(COOKIE.access)) }
}

function valueOf(line: string | undefined): string | undefined {
  return line?.split(';')[0]?.split('=')[1]
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function bearerOf({ access }: Device): { readonly Authorization: string } {
  return { Authorization: `Bearer ${access}` }
}

function sessionCookieOf({ token }: Device): { readonly Cookie: string } {
  return { Cookie: `${COOKIE.session}=${token}` }
}

function cookiesOf({ token, access }: Device): { readonly Cookie: string } {
  return { Cookie: `${COOKIE.session}=${token}; ${COOKIE.access}=${access}` }
}

function withCookies(device: Device): Readonly<Record<string, string>> {
  return { ...SAME_SITE, ...cookiesOf(device) }
}

function withCredential(device: Device): Readonly<Record<string, string>> {
  return device.kind === 'token' ? bearerOf(device) : withCookies(device)
}
