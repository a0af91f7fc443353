// `npm run keys`: makes the keys of a gateway, rotates them without refusing anybody, and replaces them all on the day one leaks.
import { parseArgs } from 'node:util'

import { readConfiguration } from './configuration.ts'
import { isDeployed } from './keys/deployed.ts'
import { describeOutcome, describeRings } from './keys/report.ts'
import { newRings, RAISE_EPOCHS, runSteps } from './keys/revoke-all.ts'
import type { Step } from './keys/revoke-all.ts'
import { formatRings, readRings } from './keys/rings.ts'
import { rotate } from './keys/rotate.ts'
import { readSecretsFile, replaceValues } from './keys/secrets-file.ts'
import { rebuild } from './markers/rebuild.ts'
import { openStorage } from './markers/wrangler.ts'
import { formatDevVars, makeSecrets, writeSecretFile } from './secrets.ts'
import { runWrangler } from './wrangler.ts'

const USAGE = `Usage: npm run keys [-- --secrets-file <path>]
       npm run keys -- status     --secrets-file <path> [--config wrangler.toml]
       npm run keys -- rotate     --secrets-file <path> [--config wrangler.toml] [--deployed]
       npm run keys -- revoke-all --secrets-file <path> [--config wrangler.toml] --remote | --local

Without a word: makes a signing key (ES256) and a session key, prints them in the form of .dev.vars,
or writes them as JSON into a file that must not exist yet, for: wrangler deploy --secrets-file <path>

Keep that file, encrypted, where you keep secrets: Worker secrets cannot be read back, and a rotation
needs the old keys. Every other command works on it, or on .dev.vars.

  status      which key signs, which is on standby, which is retiring, and until when
  rotate      the next step of a rotation. Run it, deploy the file, run it again; it says what it waits for
              and refuses what would be too early. It asks the gateway whether it runs with the file;
              --deployed is your own word for that, where it cannot be asked
  revoke-all  a key has leaked: new keys at once, and every session ended (docs/runbook.md)`

const WORDS = ['', 'status', 'rotate', 'revoke-all'] as const

type Options = NonNullable<ReturnType<typeof parse>>

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) {
    console.error(USAGE)
    return 2
  }
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  return options.path === undefined ? printFresh() : runOn(options.path, options)
}

function runOn(path: string, options: Options): Promise<number> | number {
  if (options.word === 'status') return showStatus(path, options)
  if (options.word === 'rotate') return runRotate(path, options)
  return options.word === 'revoke-all' ? runRevokeAll(path, options) : writeFresh(path)
}

async function printFresh(): Promise<number> {
  process.stdout.write(formatDevVars(await makeSecrets()))
  return 0
}

async function writeFresh(path: string): Promise<number> {
  const written = writeSecretFile(path, `${JSON.stringify(await makeSecrets(), null, 2)}\n`)
  if (written) console.log(`Written to ${path}. Deploy with: npx wrangler deploy --secrets-file ${path}`)
  else console.error(`${path} exists already, and keys are never overwritten.`)
  return written ? 0 : 1
}

function showStatus(path: string, { config }: Options): number {
  const rings = readRings(readSecretsFile(path).values, readConfiguration(config))
  console.log(describeRings(rings))
  return 0
}

async function runRotate(path: string, options: Options): Promise<number> {
  const file = readSecretsFile(path)
  const config = readConfiguration(options.config)
  const outcome = await rotate({
    rings: readRings(file.values, config),
    config,
    now: nowInSeconds(),
    isDeployed: (signing) => isDeployed(config.issuer, signing),
    isTrusted: options.deployed,
  })
  if (outcome.outcome !== 'undeployed') replaceValues(file, formatRings(outcome.rings))
  const text = describeOutcome(outcome, { path, config: options.config, issuer: config.issuer, now: nowInSeconds() })
  if (outcome.outcome === 'changed') console.log(text)
  else console.error(text)
  return outcome.outcome === 'changed' ? 0 : 1
}

async function runRevokeAll(path: string, { config, where }: Options): Promise<number> {
  if (where === null) throw new Error('Say which gateway: --remote or --local.')
  const file = readSecretsFile(path)
  const rings = await newRings(readConfiguration(config))
  const place = { config, where }
  const execute = ['d1', 'execute', 'DB', '--config', config, `--${where}`, '--yes', '--command', RAISE_EPOCHS]
  const deploy: Step = {
    says: 'the gateway runs with the new keys',
    byHand: `npx wrangler secret bulk ${path} --config ${config}`,
    run: () => runWrangler('secret', 'bulk', path, '--config', config),
  }
  const steps: readonly Step[] = [
    {
      says: `new keys are in ${path}`,
      byHand: `npm run keys -- revoke-all --secrets-file ${path} --config ${config} --${where}`,
      run: async () => replaceValues(file, formatRings(rings)),
    },
    ...(where === 'remote' ? [deploy] : []),
    {
      says: 'every session has ended',
      byHand: `npx wrangler d1 execute DB --config ${config} --${where} --command "${RAISE_EPOCHS}"`,
      run: () => runWrangler(...execute),
    },
    {
      says: 'every marker says so',
      byHand: `npm run markers -- rebuild --config ${config} --${where}`,
      run: () => rebuild(openStorage(place), false),
    },
  ]
  return runSteps(steps, (line) => console.log(line))
}

function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** `null` for arguments that cannot be meant. */
function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'secrets-file': { type: 'string' },
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        deployed: { type: 'boolean', default: false },
        remote: { type: 'boolean', default: false },
        local: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const word = WORDS.find((each) => each === positionals.join(' '))
    const { 'secrets-file': path, config, deployed, remote, local, help } = values
    const needsFile = word !== '' && path === undefined && !help
    if (word === undefined || needsFile || (remote && local)) return null
    const places = { remote: remote ? ('remote' as const) : null, local: local ? ('local' as const) : null }
    return { word, path, config, deployed, help, where: places.remote ?? places.local }
  } catch {
    return null
  }
}
