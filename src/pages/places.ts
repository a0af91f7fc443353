// Where the pages are, and where they lead.

import { parseReturnTo } from '../auth/return-to.ts'
import type { Config } from '../config/config.ts'
import { canSignIn } from '../config/unauthenticated.ts'

type AuthPath = Pick<Config, 'authPath'>
type PageName = 'sign-in' | 'sign-up' | 'sign-out' | 'password' | 'reset' | 'account'

/** The path of a page, on the way to `returnTo` where one is given. */
export function pagePath({ authPath }: AuthPath, name: PageName, returnTo: string | null = null): string {
  return withQuery(`${authPath}/${name}`, returnTo === null ? {} : { return_to: returnTo })
}

/** Where linking a provider begins, and where signing in with it does. */
export function linkPath({ authPath }: AuthPath, id: string): string {
  return `${authPath}/providers/${id}/start`
}

/** `isAgain`: the provider asks for whoever is signed in there once more. */
export function providerPath(config: AuthPath, id: string, returnTo: string | null, isAgain: boolean): string {
  const query = { ...(returnTo !== null && { return_to: returnTo }), ...(isAgain && { prompt: 'login' }) }
  return withQuery(linkPath(config, id), query)
}

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? path : `${path}?${text}`
}

/** `return_to` of a page's own query. One that is not ours, or comes twice, is as if absent. */
export function readReturnTo(config: Config, url: string): string | null {
  const values = queryOf(url).getAll('return_to')
  return values.length === 1 ? parseReturnTo(config, values[0]) : null
}

export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : url.slice(at))
}

/** Where whoever has just signed out goes. */
export function afterSignOut(config: Config, returnTo: string | null): string {
  return returnTo ?? (canSignIn(config) ? pagePath(config, 'sign-in') : '/')
}
