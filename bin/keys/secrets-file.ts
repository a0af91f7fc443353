// A file of secrets: JSON for `wrangler deploy --secrets-file`, or lines of `.dev.vars`. It is the only copy: Worker secrets cannot be read back.
import { chmodSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

import { isObject } from '../../src/json.ts'

export type Values = Readonly<Record<string, string>>

export interface SecretsFile {
  readonly path: string
  /** As it was read. */
  readonly text: string
  readonly values: Values
}

/** What is wrong with a file of secrets, in words that quote none of it. */
export class SecretsFileProblem extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SecretsFileProblem'
  }
}

/** @throws SecretsFileProblem for what is no file of secrets */
export function readSecretsFile(path: string): SecretsFile {
  const text = readText(path)
  return { path: realpathSync(path), text, values: parseValues(path, text) }
}

/**
 * Puts new values into the file, which nobody but its owner can read; all else in it stays. Either all of it is written or
 * nothing, and a file that somebody has changed meanwhile stays as it is.
 * @throws SecretsFileProblem
 */
export function replaceValues({ path, text, values }: SecretsFile, changes: Values): void {
  const wanted = { ...values, ...changes }
  const replaced = isJson(text) ? `${JSON.stringify(wanted, null, 2)}\n` : replaceLines(text, changes)
  if (!isSame(parseValues(path, replaced), wanted))
    throw new SecretsFileProblem(`${path} has lines that cannot be kept.`)
  const fresh = `${path}.new`
  try {
    writeFileSync(fresh, replaced, { flag: 'wx', mode: 0o600 })
  } catch {
    throw new SecretsFileProblem(`${fresh} cannot be made. If it is of a run that was interrupted, delete it.`)
  }
  try {
    if (readText(path) !== text) throw new SecretsFileProblem(`${path} was changed meanwhile. Nothing was written.`)
    chmodSync(fresh, 0o600)
    renameSync(fresh, path)
  } finally {
    rmSync(fresh, { force: true })
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new SecretsFileProblem(`${path} cannot be read.`)
  }
}

function isJson(text: string): boolean {
  return text.trimStart().startsWith('{')
}

function parseValues(path: string, text: string): Values {
  const parsed = isJson(text) ? parseJson(text) : parseEnv(text)
  const entries = Object.entries(isObject(parsed) ? parsed : {})
  const values = entries.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []))
  if (!isObject(parsed) || values.length < entries.length)
    throw new SecretsFileProblem(`${path} is no file of secrets.`)
  return Object.fromEntries(values)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** A line a value, in single quotes, which none of ours can hold; comments and other values stay. */
function replaceLines(text: string, changes: Values): string {
  return Object.entries(changes).reduce((before, [name, value]) => {
    const line = `${name}='${value}'`
    const written = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=.*$`, 'm')
    if (written.test(before)) return before.replace(written, () => line)
    return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`
  }, text)
}

function isSame(one: Values, other: Values): boolean {
  const sorted = (values: Values) => JSON.stringify(Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return sorted(one) === sorted(other)
}
