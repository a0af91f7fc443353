import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import type { Issuer } from '../../src/config/config.ts'
import type { LogEvent } from '../../src/log.ts'
import type { SignedText } from '../../src/signed-text.ts'
import { createSignedText } from '../../src/signed-text.ts'
import type { StoredJwks } from '../../src/tokens/jwks-cache.ts'
import type { KeySource } from '../../src/tokens/jwks.ts'
import { createIssuerKeys, createJwksCache } from '../../src/tokens/jwks.ts'
import type { ForgeKey, Members } from '../support/forge.ts'
import { makeKey, refusalOf } from '../support/forge.ts'

const START = 1_800_000_000
const JWKS_URI = 'https://keys.test/jwks.json'
const DISCOVERY = 'https://idp.test/tenant/.well-known/openid-configuration'
const RFC8414 = 'https://idp.test/.well-known/oauth-authorization-server/tenant'

const issuer = (changes: Partial<Issuer> = {}): Issuer => ({
  key: 'ISSUERS[0]',
  issuer: 'https://idp.test/tenant/',
  audience: ['https://gate.test'],
  audienceClaim: 'aud',
  jwksUri: JWKS_URI,
  algorithms: ['ES256'],
  secret: null,
  acceptUntil: null,
  types: ['at+jwt'],
  scopeClaim: 'scope',
  rolesClaim: null,
  subjectPrefix: null,
  maxLifetime: 86_400,
  ...changes,
})

const keys: { one?: ForgeKey; two?: ForgeKey } = {}
const jwk = (name: 'one' | 'two'): Members => keys[name]?.publicJwk ?? {}
beforeAll(async () => {
  keys.one = await makeKey('ES256', 'one')
  keys.two = await makeKey('ES256', 'two')
})
afterEach(() => {
  vi.useRealTimers()
})

type Answer = () => Response | Promise<Response>

/** An isolate with a clock that is set by hand, an issuer that answers as told, and everything counted. */
function makeIsolate(answers: Record<string, Answer> = {}, stored: StoredJwks | null = null, secrets = new Map()) {
  const clock = { now: START }
  const script = { ...answers }
  const fetched: { url: string; init: RequestInit }[] = []
  const source: KeySource = ISSUER
  const cache = { of: source, stored, reads: 0, writes: 0, read: async () => cache.stored }
  const events: LogEvent[] = []
  const beside: Promise<unknown>[] = []
  const issuerKeys = createIssuerKeys({
    fetch: async (url, init) => {
      fetched.push({ url, init })
      return (script[url] ?? notFound)()
    },
    now: () => clock.now,
    cache: {
      read: (of) => {
        cache.reads += 1
        return of === cache.of ? cache.read() : Promise.resolve(null)
      },
      write: async (of, value) => {
        cache.writes += 1
        cache.of = of
        cache.stored = value
      },
    },
    secrets,
    log: (event) => events.push(event),
  })
  const waitUntil = (work: Promise<unknown>) => void beside.push(work)
  return {
    clock,
    script,
    fetched,
    cache,
    events,
    beside,
    find: (kid: string | null, of: Issuer = ISSUER) => issuerKeys.find(of, kid, waitUntil),
    /** Lets everything that was given to waitUntil end. */
    settle: async () => {
      while (beside.length > 0) await beside.pop()
    },
  }
}

const ISSUER = issuer()
const DISCOVERED = issuer({ key: 'ISSUERS[1]', jwksUri: null })

const set = (...jwks: readonly unknown[]) => ({ keys: jwks })
const json =
  (value: unknown): Answer =>
  () =>
    Response.json(value)
const text =
  (body: BodyInit | null, init: ResponseInit = {}): Answer =>
  () =>
    new Response(body, init)
const notFound: Answer = () => new Response('not found', { status: 404 })
const fails: Answer = () => Promise.reject(new Error('network'))
const hangs: Answer = () => new Promise<Response>(() => {})

const metadata = (changes: Members = {}) => ({ issuer: 'https://idp.test/tenant/', jwks_uri: JWKS_URI, ...changes })

/** An isolate whose set is so many seconds old, and what its issuer answers from then on. */
const aged = async (seconds: number, answer: Answer) => {
  const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
  await isolate.find('one')
  await isolate.settle()
  isolate.script[JWKS_URI] = answer
  isolate.clock.now += seconds
  return isolate
}

describe("an issuer's keys", () => {
  it('are fetched once and found by kid', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'), jwk('two'))) })
    expect((await isolate.find('one'))?.kid).toBe('one')
    expect((await isolate.find('two'))?.kid).toBe('two')
    expect(isolate.fetched.length).toBe(1)
  })

  it('are fetched without following redirects and past every cache', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    const request = new Request(JWKS_URI, isolate.fetched[0]?.init)
    expect(request).toMatchObject({ redirect: 'manual', cache: 'no-store' })
  })

  it('have none for a token without kid, and nobody is asked', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    expect(await isolate.find(null)).toBeNull()
    expect(isolate.fetched.length).toBe(0)
  })

  it('leave out what cannot serve, and take the first of two with one kid', async () => {
    const hidden = { kty: 'oct', kid: 'secret', k: 'AAAA' }
    const twice = { ...jwk('two'), kid: 'one' }
    const isolate = makeIsolate({ [JWKS_URI]: json(set(hidden, 7, null, jwk('one'), twice)) })
    const key = await isolate.find('one')
    const signature = (await keys.one?.sign('text')) ?? new Uint8Array()
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
    const verified = key !== null && (await crypto.subtle.verify(algorithm, key.key, signature, Buffer.from('text')))
    expect(verified).toBe(true)
    expect(await isolate.find('secret')).toBeNull()
  })

  it('stay the same objects when they are fetched again unchanged', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    const first = await isolate.find('one')
    isolate.clock.now += 700
    expect(await isolate.find('one')).toBe(first)
    expect(isolate.fetched.length).toBe(2)
  })

  it('are kept apart from those of other issuers', async () => {
    const other = issuer({ issuer: 'https://other.test', jwksUri: 'https://other.test/jwks' })
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))), 'https://other.test/jwks': json(set(jwk('two'))) })
    expect(await isolate.find('one')).not.toBeNull()
    expect(await isolate.find('one', other)).toBeNull()
    expect(await isolate.find('two', other)).not.toBeNull()
  })
})

describe('an unknown kid', () => {
  it('causes one fetch in 30 s, and is then known not to be there', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    for (const kid of ['a', 'b', 'c']) expect(await isolate.find(kid)).toBeNull()
    expect(isolate.fetched.length).toBe(1)
    isolate.clock.now += 30
    for (const kid of ['a', 'b', 'c']) expect(await isolate.find(kid)).toBeNull()
    expect(isolate.fetched.length).toBe(2)
  })

  it('finds a key that the issuer added', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    isolate.script[JWKS_URI] = json(set(jwk('one'), jwk('two')))
    isolate.clock.now += 31
    expect((await isolate.find('two'))?.kid).toBe('two')
  })

  it('cannot be told while the issuer is down, and known ones go on', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    isolate.script[JWKS_URI] = fails
    isolate.clock.now += 31
    expect(await refusalOf(() => isolate.find('two'))).toBe('issuer_unavailable issuer_keys')
    expect(await refusalOf(() => isolate.find('three'))).toBe('issuer_unavailable issuer_keys')
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(2)
  })

  it('causes one fetch when many requests bring it at once', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    isolate.clock.now += 31
    const found = await Promise.all(Array.from({ length: 50 }, (_, index) => isolate.find(`forged-${index}`)))
    expect(found.every((key) => key === null)).toBe(true)
    expect(isolate.fetched.length).toBe(2)
  })
})

describe('a key set as it ages', () => {
  it('is used as it is for 5 min', async () => {
    const isolate = await aged(299, json(set(jwk('two'))))
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(1)
  })

  it('is served and fetched beside after 5 min', async () => {
    const isolate = await aged(300, json(set(jwk('two'))))
    expect(await isolate.find('one')).not.toBeNull()
    await isolate.settle()
    expect(isolate.fetched.length).toBe(2)
    expect(await isolate.find('one')).toBeNull()
    expect(await isolate.find('two')).not.toBeNull()
  })

  it('is served after 5 min without waiting for an issuer that hangs', async () => {
    const isolate = await aged(300, hangs)
    expect(await isolate.find('one')).not.toBeNull()
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(2)
  })

  it('is fetched first after 10 min, so a key that left it stops', async () => {
    const isolate = await aged(600, json(set(jwk('two'))))
    expect(await isolate.find('one')).toBeNull()
  })

  it('that has become empty has no keys', async () => {
    const isolate = await aged(600, json(set()))
    expect(await isolate.find('one')).toBeNull()
  })

  it('stays good through failing fetches for 24 h, one attempt in 30 s', async () => {
    const isolate = await aged(600, fails)
    expect(await isolate.find('one')).not.toBeNull()
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(2)
    isolate.clock.now = START + 24 * 3600 - 1
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(3)
    isolate.clock.now = START + 24 * 3600
    expect(await refusalOf(() => isolate.find('one'))).toBe('issuer_unavailable issuer_keys')
  })

  it('makes nobody wait for a hanging issuer while an outage goes on', async () => {
    const isolate = await aged(600, fails)
    await isolate.find('one')
    isolate.script[JWKS_URI] = hangs
    isolate.clock.now += 30
    expect(await isolate.find('one')).not.toBeNull()
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(3)
  })

  it('is fetched first again where the outage was a while ago', async () => {
    const isolate = await aged(600, fails)
    await isolate.find('one')
    isolate.script[JWKS_URI] = json(set(jwk('two')))
    isolate.clock.now += 60
    expect(await isolate.find('one')).toBeNull()
  })

  it('is used again once the issuer is back', async () => {
    const isolate = await aged(25 * 3600, fails)
    isolate.cache.stored = null
    expect(await refusalOf(() => isolate.find('one'))).toBe('issuer_unavailable issuer_keys')
    isolate.script[JWKS_URI] = json(set(jwk('one')))
    isolate.clock.now += 30
    expect(await isolate.find('one')).not.toBeNull()
  })
})

describe('a key set that could never be had', () => {
  it('is 503, and is asked for once in 30 s', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: fails })
    for (const kid of ['one', 'two']) {
      expect(await refusalOf(() => isolate.find(kid))).toBe('issuer_unavailable issuer_keys')
    }
    expect(isolate.fetched.length).toBe(1)
    isolate.script[JWKS_URI] = json(set(jwk('one')))
    isolate.clock.now += 30
    expect(await isolate.find('one')).not.toBeNull()
  })

  it.each<[string, Answer, string]>([
    ['a network error', fails, 'jwks:fetch'],
    ['404', notFound, 'jwks:status_404'],
    ['500', text('{}', { status: 500 }), 'jwks:status_500'],
    ['204', text(null, { status: 204 }), 'jwks:status_204'],
    ['a redirect', () => Response.redirect('https://evil.test/jwks.json', 302), 'jwks:status_302'],
    ['HTML', text('<html></html>'), 'jwks:malformed'],
    ['nothing', text(null), 'jwks:malformed'],
    ['no UTF-8', text(Uint8Array.of(0x7b, 0xff, 0x7d)), 'jwks:malformed'],
    ['an array', json([]), 'jwks:malformed'],
    ['a duplicate key', text('{"keys":[],"keys":[]}'), 'jwks:malformed'],
    ['no keys', json({}), 'jwks:no_keys'],
    ['keys that are an object', json({ keys: {} }), 'jwks:no_keys'],
    ['101 keys', json({ keys: Array.from({ length: 101 }, () => ({})) }), 'jwks:too_many_keys'],
    ['more than 256 KiB', text(`{"keys":[]}${' '.repeat(256 * 1024)}`), 'jwks:too_large'],
    ['an endless body', () => new Response(endless()), 'jwks:too_large'],
    ['a body that breaks off', () => new Response(broken()), 'jwks:fetch'],
  ])('is one that answers with %s', async (_, answer, reason) => {
    const isolate = makeIsolate({ [JWKS_URI]: answer })
    expect(await refusalOf(() => isolate.find('one'))).toBe('issuer_unavailable issuer_keys')
    expect(isolate.events).toEqual([{ event: 'issuer', issuer: 'https://idp.test/tenant/', reason }])
    expect(isolate.cache.writes).toBe(0)
  })

  it.each<[string, Answer]>([
    ['its headers', hangs],
    ['its body', () => new Response(silent())],
  ])('is one that does not send %s within 5 s', async (_, answer) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const isolate = makeIsolate({ [JWKS_URI]: answer })
    const verdict = refusalOf(() => isolate.find('one'))
    await vi.advanceTimersByTimeAsync(4999)
    expect(isolate.events).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await verdict).toBe('issuer_unavailable issuer_keys')
    expect(isolate.events[0]?.reason).toBe('jwks:timeout')
    expect(isolate.fetched[0]?.init.signal?.aborted).toBe(true)
  })

  it('is not one of exactly 256 KiB or 100 keys', async () => {
    const body = JSON.stringify(set(jwk('one'), ...Array.from({ length: 99 }, () => ({}))))
    const isolate = makeIsolate({ [JWKS_URI]: text(body + ' '.repeat(256 * 1024 - body.length)) })
    expect(await isolate.find('one')).not.toBeNull()
  })
})

describe('requests that come together', () => {
  it('cause one fetch on a cold start, and all get the key', async () => {
    const gate = Promise.withResolvers<Response>()
    const isolate = makeIsolate({ [JWKS_URI]: () => gate.promise })
    const found = Promise.all(Array.from({ length: 20 }, () => isolate.find('one')))
    setTimeout(() => gate.resolve(Response.json(set(jwk('one')))), 60)
    expect((await found).every((key) => key?.kid === 'one')).toBe(true)
    expect(isolate.fetched.length).toBe(1)
  })

  it('are all told when the one fetch fails', async () => {
    const gate = Promise.withResolvers<Response>()
    const isolate = makeIsolate({ [JWKS_URI]: () => gate.promise })
    const verdicts = Promise.all(Array.from({ length: 5 }, () => refusalOf(() => isolate.find('one'))))
    setTimeout(() => gate.reject(new Error('network')), 60)
    expect(new Set(await verdicts)).toEqual(new Set(['issuer_unavailable issuer_keys']))
    expect(isolate.fetched.length).toBe(1)
  })

  it('do not wait for longer than 5 s where the request that fetches has died', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    const isolate = makeIsolate({ [JWKS_URI]: hangs })
    const dead = { outcome: '' }
    void refusalOf(() => isolate.find('one'))
    await vi.advanceTimersByTimeAsync(0)
    vi.clearAllTimers()
    const waiting = refusalOf(() => isolate.find('one')).then((outcome) => (dead.outcome = outcome))
    await vi.advanceTimersByTimeAsync(4900)
    expect(dead.outcome).toBe('')
    await vi.advanceTimersByTimeAsync(200)
    expect(await waiting).toBe('issuer_unavailable issuer_keys')
  })

  it('try again after 30 s where the request that fetched has died', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: hangs })
    void refusalOf(() => isolate.find('one'))
    await new Promise((resolve) => setTimeout(resolve, 10))
    isolate.clock.now += 10
    expect(await refusalOf(() => isolate.find('one'))).toBe('issuer_unavailable issuer_keys')
    isolate.script[JWKS_URI] = json(set(jwk('one')))
    isolate.clock.now += 20
    expect(await isolate.find('one')).not.toBeNull()
  })

  it('can rely on a fetch whose own client has hung up', async () => {
    const gate = Promise.withResolvers<Response>()
    const isolate = makeIsolate({ [JWKS_URI]: () => gate.promise })
    void isolate.find('one')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(isolate.beside.length).toBe(1)
    gate.resolve(Response.json(set(jwk('one'))))
    await isolate.settle()
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(1)
  })
})

describe('a cold start', () => {
  it('takes a set from the cache of its location', async () => {
    const isolate = makeIsolate({}, { jwks: set(jwk('one')), fetchedAt: START - 100 })
    expect(await isolate.find('one')).not.toBeNull()
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(0)
    expect(isolate.cache.reads).toBe(1)
  })

  it('counts the age of a cached set from when it was fetched', async () => {
    const isolate = makeIsolate(
      { [JWKS_URI]: json(set(jwk('two'))) },
      { jwks: set(jwk('one')), fetchedAt: START - 600 },
    )
    expect(await isolate.find('one')).toBeNull()
    expect(await isolate.find('two')).not.toBeNull()
  })

  it('falls back on an old cached set while the issuer is down', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: fails }, { jwks: set(jwk('one')), fetchedAt: START - 3600 })
    expect(await isolate.find('one')).not.toBeNull()
  })

  it('takes no set that is 24 h old', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: fails }, { jwks: set(jwk('one')), fetchedAt: START - 24 * 3600 })
    expect(await refusalOf(() => isolate.find('one'))).toBe('issuer_unavailable issuer_keys')
  })

  it('takes a set from the future to be of now', async () => {
    const isolate = makeIsolate(
      { [JWKS_URI]: json(set(jwk('two'))) },
      { jwks: set(jwk('one')), fetchedAt: START + 9e6 },
    )
    expect(await isolate.find('one')).not.toBeNull()
    isolate.clock.now += 600
    expect(await isolate.find('one')).toBeNull()
  })

  it.each([
    ['fails', () => Promise.reject(new Error('cache'))],
    ['holds no key set', () => Promise.resolve({ jwks: { keys: 'x' }, fetchedAt: START })],
    ['does not answer', () => new Promise<null>(() => {})],
  ])('goes to the issuer where the cache %s', async (_, read) => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    isolate.cache.read = read
    expect(await isolate.find('one')).not.toBeNull()
    expect(isolate.fetched.length).toBe(1)
  })

  it('leaves what it fetched for other isolates', async () => {
    const isolate = makeIsolate({ [JWKS_URI]: json(set(jwk('one'))) })
    await isolate.find('one')
    await isolate.settle()
    expect(isolate.cache.stored).toEqual({ jwks: set(jwk('one')), fetchedAt: START })
  })
})

describe('discovery', () => {
  it('asks for the OpenID configuration first', async () => {
    const isolate = makeIsolate({ [DISCOVERY]: json(metadata()), [JWKS_URI]: json(set(jwk('one'))) })
    expect(await isolate.find('one', DISCOVERED)).not.toBeNull()
    expect(isolate.fetched.map(({ url }) => url)).toEqual([DISCOVERY, JWKS_URI])
  })

  it('asks by RFC 8414 where there is none', async () => {
    const isolate = makeIsolate({ [RFC8414]: json(metadata()), [JWKS_URI]: json(set(jwk('one'))) })
    expect(await isolate.find('one', DISCOVERED)).not.toBeNull()
    expect(isolate.fetched.map(({ url }) => url)).toEqual([DISCOVERY, RFC8414, JWKS_URI])
  })

  it('by RFC 8414 puts nothing behind the well-known part for an issuer without a path', async () => {
    const isolate = makeIsolate()
    await refusalOf(() => isolate.find('one', issuer({ issuer: 'https://idp.test/', jwksUri: null })))
    expect(isolate.fetched.map(({ url }) => url)).toEqual([
      'https://idp.test/.well-known/openid-configuration',
      'https://idp.test/.well-known/oauth-authorization-server',
    ])
  })

  it.each<[string, Answer, string]>([
    ['another issuer', json(metadata({ issuer: 'https://evil.test' })), 'jwks:issuer_mismatch'],
    ['our issuer without its slash', json(metadata({ issuer: 'https://idp.test/tenant' })), 'jwks:issuer_mismatch'],
    ['no issuer', json(metadata({ issuer: undefined })), 'jwks:issuer_mismatch'],
    ['no jwks_uri', json(metadata({ jwks_uri: undefined })), 'jwks:jwks_uri'],
    ['a jwks_uri that is no URL', json(metadata({ jwks_uri: '/jwks.json' })), 'jwks:jwks_uri'],
    ['a plain http jwks_uri', json(metadata({ jwks_uri: 'http://idp.test/jwks.json' })), 'jwks:jwks_uri'],
    ['a jwks_uri on localhost', json(metadata({ jwks_uri: 'http://localhost/jwks.json' })), 'jwks:jwks_uri'],
    ['a data: jwks_uri', json(metadata({ jwks_uri: 'data:application/json,{"keys":[]}' })), 'jwks:jwks_uri'],
    ['a redirect', () => Response.redirect('https://evil.test/', 301), 'jwks:status_301'],
    ['500', text('', { status: 500 }), 'jwks:status_500'],
    ['HTML', text('<html>'), 'jwks:malformed'],
  ])('refuses %s', async (_, answer, reason) => {
    const isolate = makeIsolate({ [DISCOVERY]: answer, [RFC8414]: json(metadata()), [JWKS_URI]: json(set(jwk('one'))) })
    expect(await refusalOf(() => isolate.find('one', DISCOVERED))).toBe('issuer_unavailable issuer_keys')
    expect(isolate.events[0]?.reason).toBe(reason)
    expect(isolate.fetched.length).toBe(1)
  })

  it('takes plain http from an issuer on localhost', async () => {
    const local = issuer({ issuer: 'http://localhost:9000', jwksUri: null })
    const isolate = makeIsolate({
      'http://localhost:9000/.well-known/openid-configuration': json({
        issuer: 'http://localhost:9000',
        jwks_uri: 'http://localhost:9000/jwks',
      }),
      'http://localhost:9000/jwks': json(set(jwk('one'))),
    })
    expect(await isolate.find('one', local)).not.toBeNull()
  })
})

describe('a shared secret', () => {
  const legacy = issuer({ secret: 'LEGACY_JWT', algorithms: ['HS256'] })

  it('is the one key of its issuer, whatever the kid', async () => {
    const isolate = makeIsolate({}, null, new Map([['LEGACY_JWT', new Uint8Array(32)]]))
    const key = await isolate.find(null, legacy)
    expect(key?.algorithms).toEqual(['HS256'])
    expect(await isolate.find('any', legacy)).toBe(key)
    expect(isolate.fetched.length + isolate.cache.reads).toBe(0)
  })

  it('that is missing is a wrong configuration', async () => {
    expect(await refusalOf(() => makeIsolate().find(null, legacy))).toBe('misconfigured issuer_secret')
  })
})

describe('the Cache API', () => {
  it('gives back what was stored, for the same issuer, address and algorithms only', async () => {
    const cache = createJwksCache(signedBy(1))
    const stored = { jwks: set(jwk('one')), fetchedAt: START }
    const mine = issuer({ issuer: `https://idp-${crypto.randomUUID()}.test` })
    expect(await cache.read(mine)).toBeNull()
    await cache.write(mine, stored)
    expect(await cache.read(issuer({ ...mine, key: 'ISSUERS[7]' }))).toEqual(stored)
    expect(await cache.read({ ...mine, issuer: `${mine.issuer}/` })).toBeNull()
    expect(await cache.read({ ...mine, jwksUri: null })).toBeNull()
    expect(await cache.read({ ...mine, algorithms: ['ES256', 'RS256'] })).toBeNull()
  })

  it.each<[string, (good: string) => Promise<string> | string]>([
    ['no mac', (good) => good.slice(44)],
    ['the form of before there were macs', () => JSON.stringify({ jwks: set(jwk('two')), fetchedAt: START })],
    [
      'the mac of another text',
      (good) => `${good.slice(0, 44)}${JSON.stringify({ jwks: set(jwk('two')), fetchedAt: START })}`,
    ],
    ['the mac of another issuer', () => storedText(signedBy(1), issuer({ issuer: 'https://evil.test' }))],
    ['a mac by another key', () => storedText(signedBy(2), OURS)],
    ['a later time', (good) => good.replace(String(START), String(START + 1))],
  ])('gives nothing for a set with %s, which another Worker of the zone may put', async (_, forge) => {
    const cache = createJwksCache(signedBy(1))
    await cache.write(OURS, { jwks: set(jwk('one')), fetchedAt: START })
    const url = await urlOf(OURS)
    const good = await (await caches.default.match(url))?.text()
    await caches.default.put(url, new Response(await forge(good ?? ''), { headers: { 'Cache-Control': 'max-age=60' } }))
    expect(await cache.read(OURS)).toBeNull()
    await caches.default.put(url, new Response(good, { headers: { 'Cache-Control': 'max-age=60' } }))
    expect(await cache.read(OURS)).toEqual({ jwks: set(jwk('one')), fetchedAt: START })
  })
})

const OURS = issuer({ issuer: 'https://ours.test' })

function signedBy(fill: number): SignedText {
  return createSignedText({ keys: [new Uint8Array(32).fill(fill)], now: () => START, log: () => undefined })
}

/** What a cache with this signer keeps of an issuer. */
async function storedText(signed: SignedText, source: KeySource): Promise<string> {
  const put = vi.spyOn(caches.default, 'put').mockResolvedValue(undefined)
  await createJwksCache(signed).write(source, { jwks: set(jwk('two')), fetchedAt: START })
  const stored = await put.mock.calls[0]?.[1].text()
  put.mockRestore()
  return stored ?? ''
}

async function urlOf(source: KeySource): Promise<string> {
  const put = vi.spyOn(caches.default, 'put').mockResolvedValue(undefined)
  await createJwksCache(signedBy(1)).write(source, { jwks: {}, fetchedAt: START })
  const [url] = put.mock.calls[0] ?? []
  put.mockRestore()
  return new Request(url ?? '').url
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) })
}

function broken(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
}

function silent(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: () => new Promise(() => {}) })
}
