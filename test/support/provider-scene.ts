// A gateway with two scripted providers, and a browser before it.

import { env } from 'cloudflare:workers'

import type { JsonObject } from '../../src/json.ts'
import { isObject } from '../../src/json.ts'
import type { Browser } from './browser.ts'
import { createBrowser } from './browser.ts'
import type { Person, ScriptedProvider } from './scripted-provider.ts'
import { createScriptedProvider } from './scripted-provider.ts'
import type { World, WorldOptions } from './world.ts'
import { createWorld } from './world.ts'

export interface ProviderScene {
  readonly world: World
  /** `corp` and `second`. */
  readonly provider: ScriptedProvider
  readonly other: ScriptedProvider
  readonly browser: Browser
}

/** A web app that may be returned to. */
export const APP = 'https://app.example.com'

export const ada: Person = { sub: '248289761001', sid: 'op-session-1' }
export const bob: Person = { sub: 'bob|2' }

export async function createProviderScene(options: WorldOptions = {}): Promise<ProviderScene> {
  const [provider, other] = [await createScriptedProvider(), await createScriptedProvider('second')]
  const vars = {
    PROVIDERS: [provider.entry, other.entry],
    WEB_ORIGINS: [APP],
    ...provider.secrets,
    ...other.secrets,
    ...options.vars,
  }
  const elsewhere = (request: Request) =>
    request.url.startsWith(provider.issuer) ? provider.answer(request) : other.answer(request)
  const world = await createWorld({ elsewhere, ...options, vars })
  return { world, provider, other, browser: newBrowser(world) }
}

export function newBrowser(world: World): Browser {
  return createBrowser((path, init) => world.send(path, init))
}

export function locationOf(response: Response): string {
  return response.headers.get('Location') ?? ''
}

/** Through the provider and back; gives the callback's answer. */
export async function signInBy(
  { provider, browser }: Pick<ProviderScene, 'provider' | 'browser'>,
  person = ada,
  query = '',
): Promise<Response> {
  const start = await browser.open(`/auth/providers/${provider.id}/start${query}`)
  return browser.open(provider.signIn(locationOf(start), person))
}

/** What `GET /auth/session` says. */
export async function whoIs({ world }: Pick<ProviderScene, 'world'>, browser: Browser): Promise<JsonObject> {
  const Cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
  const body: unknown = await (await world.send('/auth/session', { headers: { Cookie } })).json()
  return isObject(body) ? body : {}
}

export async function rowsOf(sql: string): Promise<readonly JsonObject[]> {
  return (await env.DB.prepare(sql).all<JsonObject>()).results
}

/** The code of a denial. */
export async function codeOf(response: Response): Promise<unknown> {
  const body: unknown = await response.json()
  return isObject(body) ? body['code'] : undefined
}
