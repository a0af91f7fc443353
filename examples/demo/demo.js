// The demo page: shows what the gateway does, by doing it. Nothing on it is made up.
import { createGatehouse } from './gatehouse.js'

/** @typedef {NonNullable<Awaited<ReturnType<import('./gatehouse.js').Gatehouse['session']>>>} Session */
/** @typedef {{ id: string, current: boolean, created_at: number, last_seen_at: number, user_agent: string | null, address: string | null }} Device */

const CALLS = [
  { path: '/me', says: 'GET /me', why: 'asks D1 each time' },
  { path: '/orders', says: 'GET /orders', why: 'asks the marker' },
  { path: '/prices', says: 'GET /prices', why: 'asks nobody' },
  { path: '/admin/report', says: 'GET /admin/report', why: 'asks for the role admin' },
]
/** The routes that the second device asks, and the `revocation` that wrangler.toml gives them. */
const BEATS = [
  { path: '/me', revocation: 'session' },
  { path: '/orders', revocation: 'marker' },
  { path: '/prices', revocation: 'expiry' },
]
const BEATS_SHOWN = 12
const PATIENCE_MS = 10_000

const gatehouse = createGatehouse()
/** @type {Session | null} */
let mine = null
/** The access token by which the second device ends this browser's session. In this page's memory, and nowhere else. */
let second = ''

gatehouse.onEnded(() => {
  mine = null
  show()
  tell('The session of this browser is over. This tab has just found out.')
})
on('renew', 'click', () => renew())
on('sign-out', 'click', () => gatehouse.signOut())
on('open-second', 'submit', (event) => openSecond(event))
on('end-first', 'click', () => endFirst())
byId('calls').append(...CALLS.map(callButton))
setInterval(showTimes, 1000)
await attempt(async () => showWho(await gatehouse.session()))

/** @param {Session | null} session */
async function showWho(session) {
  mine = session
  show()
  if (session === null) return
  tell('')
  const { subject, roles, scope, claims } = session
  byId('who').replaceChildren(
    ...fact('Subject', subject),
    ...fact('Roles', roles.join(', ') || 'none'),
    ...fact('Scope', scope || 'none'),
    ...fact('Claims', JSON.stringify(claims)),
    ...fact('Session', session.session),
    ...fact('Access token', '', 'access-time'),
    ...fact('Session ends', new Date(session.session_expires_at * 1000).toLocaleString()),
  )
  showTimes()
  await showDevices()
}

function show() {
  byId('signed-in').hidden = mine === null
  byId('signed-out').hidden = mine !== null
}

/** @param {string} notice */
function tell(notice) {
  byId('notice').hidden = notice === ''
  byId('notice').textContent = notice
}

function showTimes() {
  const place = document.getElementById('access-time')
  if (mine === null || place === null) return
  const left = mine.expires_at - Math.floor(Date.now() / 1000)
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
  place.textContent = left > 0 ? `good for another ${clock}` : 'out of time: the next request renews it'
}

async function renew() {
  const response = await gatehouse.fetch('/auth/refresh', { method: 'POST' })
  if (response.ok) await showWho(await response.json())
}

/** @param {typeof CALLS[number]} call */
function callButton({ path, says, why }) {
  return button(`${says}: ${why}`, () => callApi(path))
}

/** @param {string} path */
async function callApi(path) {
  const began = performance.now()
  const response = await gatehouse.fetch(path)
  const body = await response.json()
  const tookMs = Math.round(performance.now() - began)
  byId('answer').textContent = `${response.status} after ${tookMs} ms\n${JSON.stringify(body, null, 2)}`
}

async function showDevices() {
  const response = await gatehouse.fetch('/auth/sessions')
  if (!response.ok) return
  /** @type {{ sessions: Device[] }} */
  const { sessions } = await response.json()
  byId('devices').replaceChildren(...sessions.map(deviceRow))
}

/** @param {Device} device */
function deviceRow({ id, current, created_at, last_seen_at, user_agent, address }) {
  const end = button('End', () => endDevice(id))
  end.setAttribute('aria-label', current ? 'End this browser' : `End the device signed in at ${timeOf(created_at)}`)
  const name = document.createElement('strong')
  name.textContent = `${current ? 'This browser' : 'Another device'}, signed in at ${timeOf(created_at)}, seen at ${timeOf(last_seen_at)}`
  const what = document.createElement('p')
  what.append(name, document.createElement('br'), [user_agent, address].filter((text) => text !== null).join(', '))
  const row = document.createElement('li')
  row.append(what, end)
  return row
}

/** @param {string} id */
async function endDevice(id) {
  const response = await gatehouse.fetch(`/auth/sessions/${id}`, { method: 'DELETE' })
  if (response.ok) await showWho(await gatehouse.session())
}

/** As an app does that has no cookies. @param {SubmitEvent} event */
async function openSecond(event) {
  const response = await post('/auth/sign-in', { ...fieldsOf(event), transport: 'token' })
  if (!response.ok) return tell(await titleOf(response))
  const { access_token, refresh_token } = await response.json()
  second = access_token
  const rows = await Promise.all(BEATS.map((beat) => beatRow(beat, refresh_token)))
  byId('second').hidden = false
  byId('beats').replaceChildren(...rows)
  await showDevices()
}

/** With a token of its own: what one route refuses, the gateway would remember of that token on the next. @param {typeof BEATS[number]} beat @param {string} refreshToken */
async function beatRow({ path, revocation }, refreshToken) {
  const refreshed = await post('/auth/refresh', { refresh_token: refreshToken })
  const { access_token: token } = await refreshed.json()
  const row = document.createElement('li')
  const trail = document.createElement('span')
  row.append(`GET ${path}, revocation = "${revocation}": `, trail)
  const timer = setInterval(() => void attempt(ask), 1000)
  return row

  async function ask() {
    if (!row.isConnected) return clearInterval(timer)
    const { status } = await fetchBy(token, path)
    const mark = document.createElement('span')
    mark.className = status === 200 ? 'good' : 'bad'
    mark.textContent = `${status} `
    trail.append(mark)
    if (trail.childElementCount > BEATS_SHOWN) trail.firstElementChild?.remove()
  }
}

async function endFirst() {
  if (mine === null) return
  await fetchBy(second, `/auth/sessions/${mine.session}`, 'DELETE')
  await gatehouse.session()
}

/** Without this browser's cookies. @param {string} token @param {string} path @param {string} [method] */
function fetchBy(token, path, method = 'GET') {
  const headers = { Authorization: `Bearer ${token}` }
  return fetch(path, { method, headers, credentials: 'omit', signal: AbortSignal.timeout(PATIENCE_MS) })
}

/** @param {string} path @param {Record<string, unknown>} body */
function post(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  const signal = AbortSignal.timeout(PATIENCE_MS)
  return fetch(path, { method: 'POST', headers, signal, body: JSON.stringify(body) })
}

/** @param {Response} response @returns {Promise<string>} */
async function titleOf(response) {
  return (await response.json()).title
}

/** @param {SubmitEvent} event */
function fieldsOf({ target }) {
  return target instanceof HTMLFormElement ? Object.fromEntries(new FormData(target)) : {}
}

/** What fails, the reader is told. @param {() => unknown} work */
async function attempt(work) {
  try {
    await work()
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error))
  }
}

/**
 * @template {'click' | 'submit'} T
 * @param {string} id @param {T} type @param {(event: HTMLElementEventMap[T]) => unknown} work
 */
function on(id, type, work) {
  byId(id).addEventListener(type, (event) => {
    event.preventDefault()
    void attempt(() => work(event))
  })
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`no #${id} here`)
  return found
}

/** @param {string} term @param {string} text @param {string} [id] */
function fact(term, text, id = '') {
  const [name, value] = [document.createElement('dt'), document.createElement('dd')]
  name.textContent = term
  value.textContent = text
  if (id !== '') value.id = id
  return [name, value]
}

/** @param {string} text @param {() => unknown} work */
function button(text, work) {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  made.addEventListener('click', () => void attempt(work))
  return made
}

/** @param {number} seconds */
function timeOf(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString()
}
