// Bodies of requests to the gateway itself: what is read, and what is refused with which code.
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { readBody } from '../../src/auth/body.ts'
import { Denial } from '../../src/denial.ts'

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'
const ALLOWED = ['email', 'password', 'transport']

describe('a body', () => {
  it.each([
    ['JSON', JSON_TYPE, '{"email":"a@b.c","password":" p w "}', { email: 'a@b.c', password: ' p w ' }],
    ['JSON of another spelling', 'Application/JSON; charset=utf-8', ' {"email":"\\u0061@b.c"} ', { email: 'a@b.c' }],
    ['an empty object', JSON_TYPE, '{}', {}],
    ['a form', FORM_TYPE, 'email=a%40b.c&password=+p%2B%3Dw', { email: 'a@b.c', password: ' p+=w' }],
    ['a form with a bare =', FORM_TYPE, 'password=a=b==', { password: 'a=b==' }],
    ['a form with empty values', FORM_TYPE, 'email=&password', { email: '', password: '' }],
    ['a form beyond ASCII', FORM_TYPE, 'password=caf%C3%A9', { password: 'café' }],
    ['nothing, as JSON', JSON_TYPE, '', {}],
    ['nothing, of any type', 'text/plain', '', {}],
  ])('is read: %s', async (_, type, body, members) => {
    expect(await readBody(post(type, body), ALLOWED)).toEqual(members)
  })

  it('may be absent', async () => {
    expect(await readBody(new Request('https://gate.example/auth/sign-out', { method: 'POST' }), ALLOWED)).toEqual({})
  })

  it.each([
    ['no type', null, '{}'],
    ['text/plain, which browsers send from anywhere', 'text/plain', '{"email":"a"}'],
    ['a type that only begins like JSON', 'application/json-seq', '{}'],
    ['multipart', 'multipart/form-data; boundary=x', '--x--'],
    ['half an object', JSON_TYPE, '{"email":"a"'],
    ['an array', JSON_TYPE, '[]'],
    ['null', JSON_TYPE, 'null'],
    ['a text', JSON_TYPE, '"email"'],
    ['a member twice', JSON_TYPE, '{"email":"a","email":"b"}'],
    ['a member twice, once escaped', JSON_TYPE, '{"email":"a","\\u0065mail":"b"}'],
    ['an unknown member', JSON_TYPE, '{"email":"a","admin":"secret-value"}'],
    ['__proto__', JSON_TYPE, '{"__proto__":"secret-value"}'],
    ['a number', JSON_TYPE, '{"password":12345678}'],
    ['null as a value', JSON_TYPE, '{"password":null}'],
    ['an object as a value', JSON_TYPE, '{"password":{"$ne":"secret-value"}}'],
    ['half a surrogate pair', JSON_TYPE, '{"password":"secret-value\\ud800"}'],
    ['a form member twice', FORM_TYPE, 'email=a&email=b'],
    ['a form member twice, once encoded', FORM_TYPE, 'email=a&%65mail=b'],
    ['an unknown form member', FORM_TYPE, 'email=a&admin=secret-value'],
    ['an empty pair', FORM_TYPE, 'email=a&'],
    ['broken percent-encoding', FORM_TYPE, 'password=secret-value%4'],
    ['percent-encoded bytes that are not UTF-8', FORM_TYPE, 'password=secret-value%FF'],
    ['bytes that are not UTF-8', JSON_TYPE, Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)],
    ['a byte order mark', JSON_TYPE, '\uFEFF{}'],
  ])('is refused with invalid_request, and never quoted: %s', async (_, type, body) => {
    const denial = await denialOf(readBody(post(type, body), ALLOWED))

    expect(denial.code).toBe('invalid_request')
    expect(denial.details.members).toEqual({ detail: expect.any(String) })
    expect(JSON.stringify([denial.details.members, denial.details.reason])).not.toContain('secret-value')
  })

  it('may be exactly as long as the limit', async () => {
    const password = 'x'.repeat(100 - '{"password":""}'.length)

    expect(await readBody(post(JSON_TYPE, JSON.stringify({ password })), ALLOWED, 100)).toEqual({ password })
  })

  it.each([
    ['by a byte', 101],
    ['by far', 1_000_000],
  ])('is too_large over the limit: %s', async (_, length) => {
    expect((await denialOf(readBody(post(JSON_TYPE, 'x'.repeat(length)), ALLOWED, 100))).code).toBe('too_large')
  })

  it('is counted in bytes, not in characters', async () => {
    expect((await denialOf(readBody(post(JSON_TYPE, 'é'.repeat(60)), ALLOWED, 100))).code).toBe('too_large')
  })

  it('is too_large at 16 KiB and a byte where no limit is given', async () => {
    expect((await denialOf(readBody(post(JSON_TYPE, 'x'.repeat(16_385)), ALLOWED))).code).toBe('too_large')
    expect((await denialOf(readBody(post(JSON_TYPE, 'x'.repeat(16_384)), ALLOWED))).code).toBe('invalid_request')
  })

  it('is too_large by its Content-Length before anything is read', async () => {
    const request = post(JSON_TYPE, '{}', { 'Content-Length': '101' })

    expect((await denialOf(readBody(request, ALLOWED, 100))).code).toBe('too_large')
    expect(request.bodyUsed).toBe(false)
  })

  it('is read no further than the limit while it streams', async () => {
    let sent = 0
    const long = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1
        controller.enqueue(new Uint8Array(40))
        if (sent === 1000) controller.close()
      },
    })
    const request = new Request('https://gate.example/auth/sign-in', {
      method: 'POST',
      headers: { 'Content-Type': JSON_TYPE },
      body: long,
    })

    expect((await denialOf(readBody(request, ALLOWED, 100))).code).toBe('too_large')
    expect(sent).toBeLessThan(10)
  })

  it('is not waited for when it stops coming', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const request = new Request('https://gate.example/auth/sign-in', { method: 'POST', body: readable })
    const denied = denialOf(readBody(request, ALLOWED))
    await writer.write(new TextEncoder().encode('{"ema'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect((await denied).code).toBe('invalid_request')
  })

  it('is joined where a character is cut by two chunks', async () => {
    const bytes = new TextEncoder().encode('{"password":"é"}')
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, 14))
        controller.enqueue(bytes.slice(14))
        controller.close()
      },
    })
    const request = new Request('https://gate.example/', {
      method: 'POST',
      headers: { 'Content-Type': JSON_TYPE },
      body,
    })

    expect(await readBody(request, ALLOWED)).toEqual({ password: 'é' })
  })
})

function post(
  type: string | null,
  body: string | Uint8Array<ArrayBuffer>,
  more: Readonly<Record<string, string>> = {},
): Request {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const headers = { ...(type === null ? {} : { 'Content-Type': type }), ...more }
  return new Request('https://gate.example/auth/sign-in', { method: 'POST', headers, body: bytes })
}

async function denialOf(work: Promise<unknown>): Promise<Denial> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof Denial)) throw new Error('no denial')
  return error
}
