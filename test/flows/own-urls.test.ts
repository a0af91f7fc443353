import { describe, expect, it } from 'vitest'

import { createWorld, UPSTREAM } from '../support/world.ts'

const everything = [{ path: '/*', upstream: UPSTREAM, access: 'public', allow_in_path: ['%2F', '%5C', ';', '//'] }]

describe('the URLs of the gateway itself', () => {
  it.each([
    '/auth',
    '/auth/',
    '/auth/nothing',
    '/AUTH/session',
    '/%61uth/nothing',
    '/auth/sign-in/x',
    '/Auth/Sign-In',
    '/.well-known/oauth-authorization-server',
  ])('%s never goes upstream, whatever routes there are', async (path) => {
    const world = await createWorld({ routes: everything })
    const response = await world.send(path)
    expect([200, 401, 404]).toContain(response.status)
    expect(world.seen).toEqual([])
  })

  it.each([
    '//auth/session',
    '/auth%2Fsession',
    '/auth;x/session',
    '/x%2F..',
    '/.well-known%2Fjwks.json',
    '/.well-known%2Foauth-authorization-server',
    '/auth//session',
  ])('%s is refused, because a reading of it is one of them', async (path) => {
    const world = await createWorld({ routes: everything })
    expect((await world.send(path)).status).toBe(400)
    expect(world.seen).toEqual([])
  })

  it.each([
    '/authors',
    '/auth-x/y',
    '/x/auth/session',
    '/.well-known/openid-configuration',
    '/.well-known/security.txt',
  ])('%s is not one of them', async (path) => {
    const world = await createWorld({ routes: everything })
    expect((await world.send(path)).status).toBe(200)
    expect(world.seen.map(({ url }) => url)).toEqual([`${UPSTREAM}${path}`])
  })

  it('are on the host of ISSUER only', async () => {
    const world = await createWorld({ routes: everything })
    expect((await world.send('https://other.example.com/auth/session')).status).toBe(200)
    expect(world.seen.map(({ url }) => url)).toEqual([`${UPSTREAM}/auth/session`])
  })

  it('live below AUTH_PATH', async () => {
    const world = await createWorld({ routes: everything, vars: { AUTH_PATH: '/api/login' } })
    expect((await world.send('/api/login/session')).status).toBe(401)
    expect((await world.send('/auth/session')).status).toBe(200)
  })

  it.each([
    ['GET', '/auth/refresh', 'POST'],
    ['DELETE', '/auth/sign-in', 'GET, POST, HEAD'],
    ['DELETE', '/auth/session', 'GET, HEAD'],
    ['POST', '/.well-known/jwks.json', 'GET, HEAD'],
  ])('refuse the method %s of %s with what they allow', async (method, path, allow) => {
    const world = await createWorld({ routes: everything })
    const response = await world.send(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('Allow')).toBe(allow)
  })

  it('are found by path alone: no header makes a health check of another request', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }] })
    const headers = {
      'User-Agent': 'GoogleHC/1.0',
      'X-Original-URL': '/auth/health',
      'X-Forwarded-Uri': '/auth/health',
    }
    expect((await world.send('/orders', { headers })).status).toBe(401)
  })
})
