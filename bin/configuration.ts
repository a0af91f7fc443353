// What a command needs of a wrangler file: its configuration, parsed as the Worker parses it.
import { readFileSync } from 'node:fs'

import { parse } from 'smol-toml'

import type { Config } from '../src/config/config.ts'
import { parseConfig } from '../src/config/parse.ts'
import { buildEnv } from './check/env.ts'

/** @throws Error that lists what is wrong, each by its key */
export function readConfiguration(path: string): Config {
  const parsed = parseConfig(buildEnv(parse(readFileSync(path, 'utf8')), {}))
  if (parsed.outcome === 'parsed') return parsed.config
  throw new Error([`${path} would not serve:`, ...parsed.problems.map((problem) => `  ${problem}`)].join('\n'))
}
