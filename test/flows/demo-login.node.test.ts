// The login that an API has already, as the demo API has it, through the shipped routes: real processes, real sockets.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { parse } from 'smol-toml'
import { afterAll, describe, expect, it } from 'vitest'

import { localConfiguration } from '../../bin/start/configuration.ts'
import { runExample } from '../support/example.ts'
import type { Answer } from '../support/gateway.ts'
import { ISSUER, startGateway, valuesOf } from '../support/gateway.ts'

const demo = await runExample('demo-api.mjs', ISSUER)
afterAll(demo.stop)
const shipped = readFileSync(join(import.meta.dirname, '..', '..', 'wrangler.toml'), 'utf8')
const local = localConfiguration(shipped, { origin: ISSUER, demoOrigin: demo.origin, upstream: null })
const { vars }: { vars: { ROUTES: never; PASSWORDS: never } } = JSON.parse(JSON.stringify(parse(local.text ?? '')))
const gateway = await startGateway({
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: { ROUTES: vars.ROUTES, PASSWORDS: vars.PASSWORDS },
})

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: ISSUER }
const JSON_CLIENT = { 'Content-Type': 'application/json', 'Gatehouse-Transport': 'token' }

function post(path: string, headers: Record<string, string>, body = ''): Promise<Answer> {
  return gateway.send(path, { method: 'POST', headers, body })
}

function signIn(): Promise<Answer> {
  return post('/login', FORM, `name=grace&password=${encodeURIComponent("grace's secret")}`)
}

function cookiesOf(answer: Answer): string {
  return valuesOf(answer, 'Set-Cookie')
    .map((line) => line.split(';')[0])
    .join('; ')
}

function gatehouseHeaders({ headers }: Answer): readonly string[] {
  return headers.map(([name]) => name.toLowerCase()).filter((name) => name.startsWith('gatehouse'))
}

describe('the login of the demo API', () => {
  it('signs a browser in by its form, promotes it while it is signed in, and signs it out', async () => {
    const signedIn = await signIn()
    expect([signedIn.status, valuesOf(signedIn, 'Location'), gatehouseHeaders(signedIn)]).toEqual([303, ['/me'], []])
    const headers = { ...FORM, Cookie: cookiesOf(signedIn) }
    const me = await gateway.send('/me', { headers })
    expect(JSON.parse(me.body.toString())).toMatchObject({
      headers: { 'gatehouse-subject': 'grace', 'gatehouse-roles': 'member' },
    })
    expect((await gateway.send('/admin/report', { headers })).status).toBe(403)
    expect((await post('/promote', headers)).status).toBe(303)
    expect((await gateway.send('/admin/report', { headers })).status).toBe(200)
    const signedOut = await post('/logout', headers)
    expect([signedOut.status, cookiesOf(signedOut)]).toEqual([
      303,
      '__Host-gatehouse_session=; __Host-gatehouse_access=',
    ])
    expect((await gateway.send('/me', { headers })).status).toBe(401)
  })

  it('gives tokens to an API client', async () => {
    const body = JSON.stringify({ name: 'linus', password: "linus's secret" })
    const answer = await post('/login', JSON_CLIENT, body)
    expect([answer.status, valuesOf(answer, 'Set-Cookie')]).toEqual([200, []])
    expect(gatehouseHeaders(answer).toSorted()).toEqual([
      'gatehouse-access-token',
      'gatehouse-expires-in',
      'gatehouse-refresh-token',
    ])
    const [token] = valuesOf(answer, 'Gatehouse-Access-Token')
    const headers = { Authorization: `Bearer ${token}` }
    expect((await gateway.send('/orders', { headers })).status).toBe(200)
    expect((await post('/logout', headers)).status).toBe(200)
    expect((await gateway.send('/me', { headers })).status).toBe(401)
  })

  it('signs nobody in with a wrong password, nor from another site', async () => {
    const wrong = await post('/login', FORM, 'name=grace&password=wrong')
    expect([wrong.status, valuesOf(wrong, 'Set-Cookie')]).toEqual([401, []])
    const elsewhere = await post('/login', { ...FORM, Origin: 'https://evil.example' }, 'name=grace')
    expect([elsewhere.status, valuesOf(elsewhere, 'Set-Cookie')]).toEqual([403, []])
  })
})
