// `npm run doctor`: looks at a deployment and says, a line each, what is well, what to look into and what is bad.
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'

import { parse as parseToml } from 'smol-toml'

import { logWarnings } from './check/log-warnings.ts'
import { checkConfiguration } from './check/report.ts'
import { readConfiguration } from './configuration.ts'
import type { Check, Finding, Patient } from './doctor/checks.ts'
import { CHECKS } from './doctor/checks.ts'
import { openDeployment } from './doctor/deployment.ts'
import { readSchema } from './doctor/schema.ts'

const USAGE = `Usage: npm run doctor [-- --config wrangler.toml] [--remote | --local]

Looks at secrets, health, clocks, schema, cron, markers and issuers. It changes nothing.

  --local    the gateway that npm start runs on this machine (default)
  --remote   the deployed one (npx wrangler login first)

Exit code: 0 where nothing is bad, else 1.`

const SCHEMA = join(import.meta.dirname, '..', 'schema.sql')

process.exitCode = await run(process.argv.slice(2))

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) {
    console.error(USAGE)
    return 2
  }
  const { config: file, where } = options
  if (!existsSync(file)) {
    console.error(`${file} is not there.`)
    return 1
  }
  const configuration = lookAtConfiguration(file)
  report('configuration', configuration)
  if (configuration.verdict === 'bad') return 1
  const patient: Patient = {
    config: readConfiguration(file),
    deployment: openDeployment({ config: file, where }),
    schema: readSchema(readFileSync(SCHEMA, 'utf8')),
    fetch: (url, init) => fetch(url, init),
    now: () => Math.floor(Date.now() / 1000),
    place: `--${where} --config ${file}`,
  }
  const verdicts: string[] = []
  for (const check of CHECKS) verdicts.push(await runCheck(check, patient))
  return verdicts.includes('bad') ? 1 : 0
}

/** What cannot be looked at is bad: nobody knows how it is. */
async function runCheck({ name, look }: Check, patient: Patient): Promise<Finding['verdict']> {
  const finding = await look(patient).catch((error: unknown): Finding => ({
    verdict: 'bad',
    what: `cannot be looked at: ${firstLines(error)}`,
    todo: null,
  }))
  report(name, finding)
  return finding.verdict
}

function lookAtConfiguration(file: string): Finding {
  try {
    const toml = parseToml(readFileSync(file, 'utf8'))
    const { text, exitCode } = checkConfiguration({ name: basename(file), toml, secrets: {}, now: Date.now() / 1000 })
    const [logged] = logWarnings(toml)
    if (exitCode === 0 && logged !== undefined) return { verdict: 'warn', what: logged, todo: 'docs/telemetry.md' }
    if (exitCode === 0) return { verdict: 'ok', what: `${file} is good`, todo: null }
    return { verdict: 'bad', what: text, todo: `npm run check -- --config ${file}` }
  } catch (error) {
    return { verdict: 'bad', what: `${file} cannot be read: ${firstLines(error)}`, todo: null }
  }
}

function report(name: string, { verdict, what, todo }: Finding): void {
  console.log(
    `${verdict.padEnd(4)}  ${name.padEnd(13)}  ${what}${todo === null ? '' : `\n      ${''.padEnd(13)}  -> ${todo}`}`,
  )
}

/** wrangler has much to say. */
function firstLines(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, 8)
    .join(' ')
    .slice(0, 300)
}

/** `null` for arguments that cannot be meant. */
function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        remote: { type: 'boolean', default: false },
        local: { type: 'boolean', default: false },
      },
    })
    if (values.remote && values.local) return null
    return { config: values.config, where: values.remote ? ('remote' as const) : ('local' as const) }
  } catch {
    return null
  }
}
