// `npm run keys`, and the secrets that a development gateway begins with.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

import { afterAll, describe, expect, it } from 'vitest'

import { formatDevVars, makeSecrets, writeSecretFile } from '../../bin/secrets.ts'
import { decodeBase64url } from '../../src/crypto.ts'
import { importSigningKeys } from '../../src/tokens/keys.ts'

const COMMAND = join(import.meta.dirname, '..', '..', 'bin', 'keys.ts')
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('npm run keys', () => {
  it('prints values that .dev.vars and the gateway take', async () => {
    const vars = parseEnv(execFileSync(process.execPath, [COMMAND], { encoding: 'utf8' }))
    const ring = await importSigningKeys(JSON.parse(vars['SIGNING_KEYS'] ?? ''))
    expect(ring.signing.alg).toBe('ES256')
    expect(decodeBase64url(vars['SESSION_KEYS'] ?? '')).toHaveLength(32)
  })

  it('writes a secrets file that only its owner can read, and prints no key', () => {
    const path = join(folder, 'secrets.json')
    const { status, stdout } = spawnSync(process.execPath, [COMMAND, '--secrets-file', path], { encoding: 'utf8' })
    const written: unknown = JSON.parse(readFileSync(path, 'utf8'))
    expect(status).toBe(0)
    expect(written).toEqual({ SIGNING_KEYS: expect.stringContaining('"d"'), SESSION_KEYS: expect.any(String) })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(stdout).not.toContain('kid')
  })

  it('never overwrites a file of keys', () => {
    const path = join(folder, 'kept.json')
    writeFileSync(path, 'kept')
    const { status, stderr } = spawnSync(process.execPath, [COMMAND, '--secrets-file', path], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('exists already')
    expect(readFileSync(path, 'utf8')).toBe('kept')
  })

  it.each([[['--secret-file', 'x']], [['--secrets-file']], [['extra']]])('shows its usage for %j', (args) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toContain('Usage: npm run keys')
    expect(stdout).toBe('')
  })
})

describe('secrets', () => {
  it('are new each time', async () => {
    const [one, other] = [await makeSecrets(), await makeSecrets()]
    expect(one.SIGNING_KEYS).not.toBe(other.SIGNING_KEYS)
    expect(one.SESSION_KEYS).not.toBe(other.SESSION_KEYS)
  })

  it('survive the form of .dev.vars', async () => {
    const secrets = await makeSecrets()
    expect(parseEnv(formatDevVars(secrets))).toEqual({ ...secrets })
  })

  it('stay as they are where the file exists', () => {
    const path = join(folder, '.dev.vars')
    expect(writeSecretFile(path, 'first')).toBe(true)
    expect(writeSecretFile(path, 'second')).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('first')
  })
})
