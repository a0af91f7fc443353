// The optional browser helper: who is signed in, signing out, and word of it when the session ends. Copy it, or serve it as it is.

/**
 * Who is signed in, as `GET /auth/session` says. Times are in unix seconds.
 * @typedef {object} Session
 * @property {string} subject
 * @property {string} session The session's id.
 * @property {string} scope
 * @property {readonly string[]} roles
 * @property {Readonly<Record<string, unknown>>} claims
 * @property {number} expires_at Of the access token, which the gateway renews by itself.
 * @property {number} session_expires_at Unless the session is used until then.
 */

/**
 * @typedef {object} Gatehouse
 * @property {() => Promise<Session | null>} session Who is signed in; `null` is nobody.
 * @property {() => Promise<string | null>} signOut Ends this browser's session, in every tab; gives where to sign out of the OpenID provider that it came from, if anywhere.
 * @property {typeof globalThis.fetch} fetch The browser's own, but that it asks once more where the gateway refused and the session lives.
 * @property {(listener: (session: string) => void) => () => void} onEnded Tells a session that this page knew, by its id, when it is over; gives what stops that.
 */

/** The gateway was not reached or could not answer. It says nothing of the session: offline is not signed out. */
export class GatehouseError extends Error {
  /**
   * @param {number} status Of the answer; 0 where there was none.
   * @param {unknown} [cause]
   */
  constructor(status, cause) {
    super(status === 0 ? 'the gateway cannot be reached' : `the gateway answered ${status}`, { cause })
    this.name = 'GatehouseError'
    this.status = status
  }
}

const PATIENCE_MS = 10_000
const MIN_TIMER_MS = 60_000
/** Browsers wait no longer, and take more for none. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** Refusals that somebody whose session lives need not have met. The API behind has not seen what was refused. */
const CURABLE = new Set(['credential_required', 'invalid_token', 'session_ended'])

/**
 * One a page. No token passes through it: the browser keeps them in cookies that no script can read.
 * @param {{ readonly origin?: string, readonly authPath?: string }} [gateway] Where it is; this page's origin and `/auth` by default.
 * @returns {Gatehouse}
 */
export function createGatehouse({ origin = location.origin, authPath = '/auth' } = {}) {
  const tabs = new BroadcastChannel(`gatehouse ${origin}${authPath}`)
  /** @type {Set<(session: string) => void>} */
  const listeners = new Set()
  /** @type {string | null} The session that lives, as far as this page knows. */
  let known = null
  /** @type {Promise<Session | null> | null} */
  let looking = null
  /** How often word came that a session is over. */
  let ends = 0
  let timer = 0

  /** Who asks at the same time shares one look. @throws GatehouseError */
  function session() {
    looking ??= look().finally(() => {
      looking = null
    })
    return looking
  }

  /** An answer from before an end is as good as none. @returns {Promise<Session | null>} */
  async function look() {
    const before = ends
    const found = await readSession(await ask('/session'))
    return before === ends ? settle(found) : look()
  }

  /** @throws GatehouseError where the session may live on */
  async function signOut() {
    const response = await ask('/sign-out', 'POST')
    if (!response.ok) throw new GatehouseError(response.status)
    tabs.postMessage(null)
    end(null)
    const { provider_logout: url = null } = await response.json().catch(() => ({}))
    return url
  }

  /** @param {string} path @param {string} [method] */
  async function ask(path, method = 'GET') {
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const url = `${origin}${authPath}${path}`
      return await fetch(url, { method, signal, credentials: 'include', redirect: 'error' })
    } catch (cause) {
      throw new GatehouseError(0, cause)
    }
  }

  /** @param {Session | null} found */
  function settle(found) {
    if (known !== null && known !== found?.session) {
      tabs.postMessage(known)
      end(known)
    }
    known = found?.session ?? null
    if (found !== null) wakeAt(found.session_expires_at)
    return found
  }

  /** @param {string | null} id `null` is whichever this page knows. */
  function end(id) {
    ends += 1
    if (known === null || (id !== null && id !== known)) return
    const ended = known
    known = null
    for (const listener of listeners) queueMicrotask(() => listener(ended))
  }

  /** A clock that is wrong must not make it ask without a pause. @param {number} seconds */
  function wakeAt(seconds) {
    clearTimeout(timer)
    const wait = Math.max(seconds * 1000 - Date.now(), MIN_TIMER_MS)
    timer = window.setTimeout(wake, Math.min(wait, MAX_TIMER_MS))
  }

  /** A tab that slept has heard nothing. */
  function wake() {
    if (known !== null && document.visibilityState === 'visible') session().catch(() => null)
  }

  /** @type {typeof globalThis.fetch} */
  async function fetchAgain(input, init) {
    const before = known
    const { origin: target } = new URL(input instanceof Request ? input.url : input, document.baseURI)
    if (target !== origin) return fetch(input, init)
    const send = () => fetch(input, { credentials: 'include', ...init })
    const response = await send()
    if (!(await isCurable(response))) return response
    const living = await session().catch(() => null)
    const isSame = living !== null && (before === null || before === living.session)
    return isSame && !isSpent(input, init) ? send() : response
  }

  tabs.addEventListener('message', ({ data }) => end(data))
  for (const event of ['focus', 'pageshow', 'online']) window.addEventListener(event, wake)
  document.addEventListener('visibilitychange', wake)
  return {
    session,
    signOut,
    fetch: fetchAgain,
    onEnded(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

/** @param {Response} response @returns {Promise<Session | null>} */
async function readSession(response) {
  if (response.status === 401) return null
  try {
    const found = await response.json()
    if (response.ok && typeof found.session === 'string') return found
  } catch (cause) {
    throw new GatehouseError(response.status, cause)
  }
  throw new GatehouseError(response.status)
}

/** Only the gateway's own refusals: a 401 of the API behind it is an answer. @param {Response} response */
async function isCurable(response) {
  if (response.status !== 401 || response.headers.get('Content-Type') !== 'application/problem+json') return false
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))
  const problem = await Promise.race([response.clone().json(), late]).catch(() => null)
  return CURABLE.has(problem?.code)
}

/** A stream can be read once. @param {RequestInfo | URL} input @param {RequestInit} [init] */
function isSpent(input, init) {
  return init?.body instanceof ReadableStream || (input instanceof Request && input.bodyUsed)
}
