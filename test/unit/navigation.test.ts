// Which requests get a page, and which JSON.
import { describe, expect, it } from 'vitest'

import { isNavigation } from '../../src/navigation.ts'

const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const FORM = 'application/x-www-form-urlencoded'
const page = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }

const decide = (method: string, headers: Record<string, string>) =>
  isNavigation({ method, url: 'https://api.example.com/', headers: new Headers(headers) })

describe('a page is what is shown to', () => {
  it.each<[string, string, Record<string, string>]>([
    ['an address bar', 'GET', { ...page, 'Sec-Fetch-Site': 'none', Accept: HTML }],
    ['a link', 'GET', { ...page, 'Sec-Fetch-Site': 'cross-site' }],
    ['a HEAD of one', 'HEAD', page],
    ['a form', 'POST', { ...page, 'Content-Type': FORM }],
    ['a form with files', 'POST', { ...page, 'Content-Type': 'multipart/form-data; boundary=x' }],
    ['a browser too old for Fetch Metadata', 'GET', { Accept: HTML }],
    ['a form of such a browser', 'POST', { Accept: HTML, 'Content-Type': `${FORM}; charset=UTF-8` }],
    ['who prefers HTML to JSON', 'GET', { Accept: 'application/json;q=0.5, text/html;q=0.6' }],
    ['who names HTML first', 'GET', { Accept: 'text/html, application/json' }],
    ['who names HTML in capitals', 'GET', { Accept: 'Text/HTML' }],
  ])('%s', (_, method, headers) => {
    expect(decide(method, headers)).toBe(true)
  })
})

describe('JSON is for', () => {
  it.each<[string, string, Record<string, string>]>([
    ['curl', 'GET', { Accept: '*/*' }],
    ['a client without a word', 'GET', {}],
    ['an API client', 'GET', { Accept: 'application/json' }],
    ['axios', 'GET', { Accept: 'application/json, text/plain, */*' }],
    ['who names JSON first', 'GET', { Accept: 'application/json, text/html' }],
    ['who names a kind of JSON first', 'GET', { Accept: 'application/problem+json, text/html' }],
    ['who prefers JSON', 'GET', { Accept: 'text/html;q=0.5, application/json' }],
    ['who refuses HTML', 'GET', { Accept: 'text/html;q=0' }],
    ['a weight that is none', 'GET', { Accept: 'text/html;q=high' }],
    ['any text', 'GET', { Accept: 'text/*' }],
    ['fetch', 'GET', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Accept: HTML }],
    ['fetch of HTML', 'GET', { 'Sec-Fetch-Mode': 'same-origin', 'Sec-Fetch-Dest': 'empty', Accept: 'text/html' }],
    ['a form sent by fetch', 'POST', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', 'Content-Type': FORM }],
    ['a frame', 'GET', { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe', Accept: HTML }],
    ['an image', 'GET', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image', Accept: HTML }],
    ['a mode without a destination', 'GET', { 'Sec-Fetch-Mode': 'navigate', Accept: HTML }],
    ['a destination without a mode', 'GET', { 'Sec-Fetch-Dest': 'document', Accept: HTML }],
    ['a mode that came twice', 'GET', { ...page, 'Sec-Fetch-Mode': 'navigate, cors' }],
    ['a WebSocket', 'GET', { 'Sec-Fetch-Mode': 'websocket', 'Sec-Fetch-Dest': 'websocket', Upgrade: 'websocket' }],
    ['a JSON post', 'POST', { Accept: HTML, 'Content-Type': 'application/json' }],
    ['a post without a type', 'POST', { Accept: HTML }],
    ['a form that curl sends', 'POST', { Accept: '*/*', 'Content-Type': FORM }],
    ['methods that no page has', 'DELETE', { ...page, Accept: HTML }],
    ['a preflight', 'OPTIONS', { ...page, Accept: HTML }],
  ])('%s', (_, method, headers) => {
    expect(decide(method, headers)).toBe(false)
  })
})
