// `npm run check`: reads a wrangler file and says what the gateway would make of it.
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'

import { parse, TomlError } from 'smol-toml'

import { checkConfiguration } from './check/report.ts'

try {
  const { values } = parseArgs({ options: { config: { type: 'string', short: 'c', default: 'wrangler.toml' } } })
  const { text, exitCode } = checkConfiguration({
    name: basename(values.config),
    toml: parse(readFileSync(values.config, 'utf8')),
    secrets: readSecrets(join(dirname(values.config), '.dev.vars')),
    now: Math.floor(Date.now() / 1000),
  })
  console.log(text)
  process.exitCode = exitCode
} catch (error) {
  console.error(describe(error))
  process.exitCode = 1
}

/** The secrets of development; `null` where there is no such file. */
function readSecrets(file: string): Readonly<Record<string, unknown>> | null {
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : null
}

/** For what goes wrong before anything could be checked: the arguments, the file, its TOML. */
function describe(error: unknown): string {
  if (error instanceof TomlError) return `The file is not TOML. ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
