// `npm run markers -- rebuild`: gives every user in D1 his marker in KV again, after a namespace was lost.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'

import type { Tally } from './markers/plan.ts'
import { rebuild } from './markers/rebuild.ts'
import { openStorage } from './markers/wrangler.ts'

const USAGE = `Usage: npm run markers -- rebuild [--config wrangler.toml] [--remote | --local] [--dry-run]

Writes the markers of all users into KV, from D1. It only raises: a marker that is right or
higher stays as it is, and D1 is not written to. Safe to repeat, and while the gateway serves.

  --remote   the deployed gateway (default; npx wrangler login first)
  --local    the one that npm start runs on this machine
  --dry-run  counts, and writes nothing`

process.exitCode = await run(process.argv.slice(2))

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) return fail(USAGE, 2)
  const { config, local, 'dry-run': dryRun } = options
  if (!existsSync(config)) return fail(`${config} is not there.`, 1)
  const where = local ? 'local' : 'remote'
  try {
    const tally = await rebuild(openStorage({ config, where }), dryRun)
    console.log(report(tally, { config, where, dryRun }))
    return 0
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), 1)
  }
}

function fail(message: string, exitCode: number): number {
  console.error(message)
  return exitCode
}

/** `null` for arguments that cannot be meant. */
function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        remote: { type: 'boolean', default: false },
        local: { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
      },
    })
    return positionals.join(' ') === 'rebuild' && !(values.remote && values.local) ? values : null
  } catch {
    return null
  }
}

interface Run {
  readonly config: string
  readonly where: 'local' | 'remote'
  readonly dryRun: boolean
}

function report({ written, raised, right, higher }: Tally, { config, where, dryRun }: Run): string {
  const place = where === 'local' ? 'on this machine' : 'deployed'
  const all = written + raised + right + higher
  const left = higher === 0 ? '' : `, ${higher} higher than D1 and left alone`
  const counts = `${all} markers: ${written} written, ${raised} raised, ${right} already right${left}.`
  return `Markers of ${config}, ${place}. ${counts}${dryRun ? ' A dry run: nothing was written.' : ''}`
}
