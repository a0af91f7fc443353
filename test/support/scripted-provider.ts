// An OpenID provider inside workerd that does everything right, until a test tells it what to do wrong.

import { randomText, sha256 } from '../../src/crypto.ts'
import type { ForgeKey, Members } from './forge.ts'
import { forge, makeKey } from './forge.ts'

export const CLIENT = 'gatehouse'
const SECRET = 'a secret: of+the%client'

export interface Person {
  readonly sub: string
  readonly sid?: string
}

/** What a test may change; a function gets what would have been right. */
export interface Script {
  /** Laid over the metadata. */
  readonly metadata?: Members
  /** Answers in place of the metadata, the keys, the token endpoint. */
  readonly discovery?: () => Response | Promise<Response>
  readonly jwks?: () => Response | Promise<Response>
  readonly token?: () => Response | Promise<Response>
  /** Laid over the claims and the header of ID tokens; `undefined` leaves out. */
  readonly claims?: Members
  readonly header?: Members
  /** Makes the ID token. */
  readonly sign?: (claims: Members) => string | Promise<string>
  /** Laid over the parameters of the callback; `undefined` leaves out. */
  readonly callback?: Readonly<Record<string, string | undefined>>
}

export type ScriptedProvider = Awaited<ReturnType<typeof createScriptedProvider>>

/** One with an issuer of its own, so that nothing is known of it anywhere. */
export async function createScriptedProvider(id = 'corp') {
  const issuer = `https://${randomText(9)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, 'x')}.idp.example/`
  const key = await makeKey('ES256', 'one')
  const codes = new Map<string, { readonly request: URLSearchParams; readonly person: Person }>()
  const asked: string[] = []
  const state: { script: Script } = { script: {} }

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    asked.push(pathname)
    const { script } = state
    if (pathname === '/.well-known/openid-configuration') {
      return script.discovery?.() ?? Response.json({ ...metadataOf(issuer), ...script.metadata })
    }
    if (pathname === '/jwks') return script.jwks?.() ?? Response.json({ keys: [key.publicJwk] })
    if (pathname !== '/token') throw new Error(`nobody asks for ${request.url}`)
    return script.token?.() ?? exchange(request)
  }

  /** Each code once, by the right client, with the right verifier, for the right redirect URI. */
  async function exchange(request: Request): Promise<Response> {
    const form = new URLSearchParams(Buffer.from(await request.arrayBuffer()).toString())
    const code = form.get('code') ?? ''
    const known = codes.get(code)
    codes.delete(code)
    if (request.headers.get('Authorization') !== basic()) return oauthError('invalid_client', 401)
    if (known === undefined) return oauthError('invalid_grant')
    if (sha256(form.get('code_verifier') ?? '') !== known.request.get('code_challenge'))
      return oauthError('invalid_grant')
    if (form.get('redirect_uri') !== known.request.get('redirect_uri')) return oauthError('invalid_grant')
    const idToken = await makeIdToken(issuer, key, known, state.script)
    return Response.json({ access_token: 'opaque', token_type: 'Bearer', expires_in: 300, id_token: idToken })
  }

  return {
    id,
    issuer,
    key,
    /** Paths that it was asked for. */
    asked,
    answer,
    entry: { id, issuer, client_id: CLIENT },
    secrets: { [`PROVIDER_${id.toUpperCase()}_SECRET`]: SECRET },
    /** From now on. */
    behave: (script: Script) => void Object.assign(state, { script }),
    /** What a person does at the authorization endpoint; gives the URL that the browser is sent back to. */
    signIn: (location: string, person: Person): string => {
      const request = new URL(location).searchParams
      const code = randomText(16)
      codes.set(code, { request, person })
      const callback = new URL(request.get('redirect_uri') ?? '')
      const parameters = { code, state: request.get('state') ?? '', iss: issuer, ...state.script.callback }
      for (const [name, value] of Object.entries(parameters)) {
        if (value !== undefined) callback.searchParams.set(name, value)
      }
      return callback.href
    },
    /** A logout token, with changes; `undefined` leaves out. */
    logoutToken: (claims: Members, header: Members = {}, signer = key) =>
      forge(signer, { ...logoutClaims(issuer), ...claims }, { typ: 'logout+jwt', ...header }),
  }
}

/** Both are encoded before they are joined (RFC 6749 §2.3.1). */
function basic(): string {
  return `Basic ${btoa(`${formEncode(CLIENT)}:${formEncode(SECRET)}`)}`
}

function formEncode(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2)
}

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

function metadataOf(issuer: string): Members {
  return {
    issuer,
    authorization_endpoint: `${issuer}authorize?tenant=1`,
    token_endpoint: `${issuer}token`,
    jwks_uri: `${issuer}jwks`,
    end_session_endpoint: `${issuer}end`,
    authorization_response_iss_parameter_supported: true,
  }
}

function makeIdToken(
  issuer: string,
  key: ForgeKey,
  { request, person }: { readonly request: URLSearchParams; readonly person: Person },
  { claims = {}, header = {}, sign }: Script,
): string | Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const nonce = request.get('nonce')
  const whole = { iss: issuer, aud: CLIENT, exp: now + 300, iat: now, nonce, ...person, ...claims }
  return sign?.(whole) ?? forge(key, whole, { typ: 'JWT', ...header })
}

function logoutClaims(issuer: string): Members {
  const now = Math.floor(Date.now() / 1000)
  return { iss: issuer, aud: CLIENT, exp: now + 120, iat: now, jti: randomText(9), events: { [LOGOUT_EVENT]: {} } }
}

function oauthError(error: string, status = 400): Response {
  return Response.json({ error }, { status })
}
