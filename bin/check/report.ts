// A wrangler file -> what `npm run check` prints: every problem, or the route table and the warnings.
import { parseConfig } from '../../src/config/parse.ts'
import { parseSecrets, secretNames } from '../../src/config/secrets.ts'
import type { JsonObject } from '../../src/json.ts'
import { buildEnv } from './env.ts'
import { routeTable } from './route-table.ts'
import { findWarnings } from './warnings.ts'

export interface CheckInput {
  /** The file's name, for the headline. */
  readonly name: string
  readonly toml: JsonObject
  /** What `.dev.vars` holds; `null` where there is none. */
  readonly secrets: JsonObject | null
  /** Unix seconds. */
  readonly now: number
}

export interface CheckReport {
  readonly text: string
  /** 1 where anything would keep the gateway from serving. */
  readonly exitCode: 0 | 1
}

export function checkConfiguration({ name, toml, secrets, now }: CheckInput): CheckReport {
  const env = buildEnv(toml, secrets ?? {})
  const parsed = parseConfig(env)
  const config = parsed.outcome === 'parsed' ? parsed.config : null
  const problems = [
    ...(parsed.outcome === 'refused' ? parsed.problems : []),
    ...secretProblems(env, config ?? { issuers: [], providers: [], webhooks: [] }),
  ]
  if (config === null || problems.length > 0) return { text: list(`${name} would not serve:`, problems), exitCode: 1 }
  const warnings = findWarnings({ toml, config, secrets, now })
  const good = `${name} is good. Its routes, the most specific first:\n\n${routeTable(config.routes)}`
  return { text: warnings.length === 0 ? good : `${good}\n\n${list('Warnings:', warnings)}`, exitCode: 0 }
}

/** Problems with secrets that are there; one that is missing here may well be set where it counts. */
function secretProblems(env: JsonObject, config: Parameters<typeof secretNames>[0]): readonly string[] {
  const missing = new Set(secretNames(config).filter((name) => env[name] === undefined))
  const parsed = parseSecrets(env, config)
  if (parsed.outcome === 'parsed') return []
  return parsed.problems.filter((problem) => !missing.has(problem.split(/[ .[]/)[0] ?? ''))
}

function list(headline: string, lines: readonly string[]): string {
  return [headline, ...lines.map((line) => `  ${line}`)].join('\n')
}
