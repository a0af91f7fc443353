import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

const source = join(import.meta.dirname, '..', '..', 'src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file))

/** What may stand in some rooms of the house only. */
const rules = [
  { what: 'the clock', pattern: /\bDate\.now\b|\bnew Date\(\)/, rooms: ['runtime.ts'] },
  {
    what: 'SQL',
    pattern: /\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) /,
    rooms: [
      'sessions/store.ts',
      'sessions/past-store.ts',
      'sessions/provider-store.ts',
      'sessions/publication-store.ts',
      'sessions/told-store.ts',
      'accounts/store.ts',
      'accounts/deletion-store.ts',
      'identities/store.ts',
      'accounts/administrators-store.ts',
      'admin/store.ts',
      'audit/store.ts',
      'audit/refusals-store.ts',
      'clients/store.ts',
      'figures/store.ts',
      'resets/store.ts',
      'webhooks/store.ts',
      'database.ts',
      'keys/store.ts',
      'issuers/store.ts',
    ],
  },
  { what: 'KV', pattern: /\bkv\.(?:get|put|delete|list)\b/, rooms: ['sessions/markers.ts'] },
  { what: 'JOSE', pattern: /from 'jose'/, rooms: [/^tokens\//] },
  { what: 'OAuth', pattern: /from 'oauth4webapi'/, rooms: [/^providers\//] },
  { what: 'the console', pattern: /\bconsole\./, rooms: ['log.ts'] },
  {
    what: 'outbound fetch',
    pattern: /(?<![.\w])fetch\(|globalThis\.fetch/,
    rooms: ['runtime.ts', 'index.ts', 'tokens/jwks-source.ts', 'providers/http.ts', 'webhooks/send.ts'],
  },
  {
    what: 'password hashing',
    pattern: /\b(?:hashPassword|verifyPassword)\b/,
    rooms: ['accounts/passwords.ts', 'accounts/hashing.ts'],
  },
  { what: 'passThroughOnException', pattern: /passThroughOnException/, rooms: [] },
] as const

function firstLine(file: string): string {
  return readFileSync(join(source, file), 'utf8').split('\n')[0] ?? ''
}

describe('the house', () => {
  it.each(rules)('keeps $what in its rooms', ({ pattern, rooms }) => {
    const found = files.filter((file) => pattern.test(readFileSync(join(source, file), 'utf8')))
    expect(
      found.filter((file) => !rooms.some((room) => (typeof room === 'string' ? room === file : room.test(file)))),
    ).toEqual([])
  })

  it('says on the first line of each file what it is', () => {
    expect(files.filter((file) => !/^\/\/ \S.*[.:]?$/.test(firstLine(file)))).toEqual([])
  })
})
