// Settings of wrangler's own that a gateway should have, or should not.
import { isObject, type JsonObject } from '../../src/json.ts'
import { variables } from './env.ts'
import { partialPatterns, servedPatterns } from './served.ts'

/** `workers_dev` and `preview_urls` are on by default where there are no `routes`. */
export function workerWarnings(toml: JsonObject): readonly string[] {
  const inside = (key: string): JsonObject => (isObject(toml[key]) ? toml[key] : {})
  const hasRoutes = servedPatterns(toml).length > 0
  const isOn = (key: string) => (toml[key] ?? !hasRoutes) !== false
  const rules: readonly (readonly [boolean, string])[] = [
    [isOn('workers_dev'), 'workers_dev is not false: the gateway is also served on workers.dev'],
    [isOn('preview_urls'), 'preview_urls is not false: every version is also served on an address of its own'],
    [typeof toml['compatibility_date'] !== 'string', 'compatibility_date is missing'],
    [!includes(toml['compatibility_flags'], 'nodejs_compat'), 'compatibility_flags must have "nodejs_compat"'],
    [
      !includes(inside('triggers')['crons'], '* * * * *'),
      'triggers.crons has no "* * * * *": markers that could not be published are not published again',
    ],
    [inside('placement')['mode'] === 'smart', 'placement.mode is "smart": it moves the gateway away from its users'],
    [
      toml['assets'] !== undefined && inside('assets')['run_worker_first'] !== true,
      'assets are served before the gateway, to everybody, unless run_worker_first is true',
    ],
    [isObject(toml['env']), 'env: environments inherit neither vars nor bindings; use one file for each instead'],
  ]
  const partial = partialPatterns(toml).map(
    (pattern) =>
      `the pattern ${pattern} leaves other requests of its host to go past the gateway: use host/* or a custom domain`,
  )
  return [...rules.flatMap(([applies, text]) => (applies ? [text] : [])), ...partial, ...sizeWarnings(toml)]
}

/** A variable holds at most 5 KB (Workers' limits). */
function sizeWarnings(toml: JsonObject): readonly string[] {
  const large = Object.entries(variables(toml)).filter(([, value]) => Buffer.byteLength(JSON.stringify(value)) > 5000)
  return large.map(
    ([name]) => `${name} is larger than the 5 KB that Workers allow: spread routes over several ROUTES_… variables`,
  )
}

function includes(list: unknown, item: string): boolean {
  return Array.isArray(list) && list.includes(item)
}
