// The reset link that a browser has opened, in a cookie for ten minutes: no later URL, log line or Referer has it.

import { equalInConstantTime, hmac, sha256 } from '../crypto.ts'
import type { Exchange } from '../runtime.ts'
import { cookieNames, readResetCookie, resetCookie } from './cookies.ts'
import { firstOf } from './provider-transaction.ts'

/** Seconds. */
const LIFETIME = 600

const FORM = /^([A-Za-z0-9_-]{43})\.([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{43})$/

/** True for a token that the admin API could have made: 256 bits in base64url. */
export function isResetToken(token: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(token)
}

/** The `Set-Cookie` line for a link that was opened: `<token>.<expiry>.<mac>`, in place of the one before. Does NOT ask whether the link is good. */
export function keepResetLink({ runtime }: Pick<Exchange, 'runtime'>, token: string): string {
  const expiresAt = String(runtime.now() + LIFETIME)
  const mac = hmac(firstOf(runtime.sessionKeys), macInput(token, expiresAt))
  return resetCookie(cookieNames(runtime.config.insecureCookies), `${token}.${expiresAt}.${mac}`, LIFETIME)
}

/** The token of the link that this browser opened within ten minutes, or `null`. @throws Denial `ambiguous_credential` */
export function findResetLink({ runtime, head }: Pick<Exchange, 'runtime' | 'head'>): string | null {
  const value = readResetCookie(head.headers.get('Cookie'), cookieNames(runtime.config.insecureCookies))
  const [, token, expiresAt, mac] = FORM.exec(value ?? '') ?? []
  if (token === undefined || expiresAt === undefined || mac === undefined) return null
  const input = macInput(token, expiresAt)
  const isOurs = runtime.sessionKeys.some((key) => equalInConstantTime(hmac(key, input), mac))
  return isOurs && Number(expiresAt) > runtime.now() ? token : null
}

/** The `Set-Cookie` line that deletes the cookie. */
export function forgetResetLink({ runtime }: Pick<Exchange, 'runtime'>): string {
  return resetCookie(cookieNames(runtime.config.insecureCookies), '', 0)
}

/** What the form carries of its link: a form that another link has taken the place of must not set that one's password. */
export function resetFormMark(token: string): string {
  return sha256(`gatehouse reset form\n${token}`).slice(0, 22)
}

/** Unambiguous, and of no other purpose: neither part can hold a line feed. */
function macInput(token: string, expiresAt: string): string {
  return `gatehouse reset link\n${token}\n${expiresAt}`
}
