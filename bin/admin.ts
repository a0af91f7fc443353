// `npm run admin`: the first administrator of a gateway, whoever else may become one from outside, and who is one.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { parseEmail } from '../src/accounts/email.ts'
import { hashPassword } from '../src/accounts/passwords.ts'
import { newUserId } from '../src/accounts/user-id.ts'
import { randomText } from '../src/crypto.ts'
import { isObject } from '../src/json.ts'
import { readNullable, readText } from '../src/rows.ts'
import type { Receivers } from './admin/sql.ts'
import { grant, insertFirst, selectAdministrators } from './admin/sql.ts'
import { readConfiguration } from './configuration.ts'
import { runWrangler } from './wrangler.ts'

const USAGE = `Usage: npm run admin -- bootstrap --email <address> [--config wrangler.toml] [--local | --remote]
       npm run admin -- grant     --email <address> [--config wrangler.toml] [--local | --remote]
       npm run admin -- list                        [--config wrangler.toml] [--local | --remote]

bootstrap  makes the first administrator, with a password that is printed once. Refused while there is one.
grant      gives a user who is there the scope gatehouse:admin, which is felt at once.
list       prints who has it.

  --local    the gateway that npm start runs on this machine (default)
  --remote   the deployed gateway (npx wrangler login first)`

const COMMANDS = { bootstrap, grant: grantTo, list }

process.exitCode = await run(process.argv.slice(2))

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) return fail(USAGE, 2)
  if (!existsSync(options.config)) return fail(`${options.config} is not there.`, 1)
  try {
    return await COMMANDS[options.command](options)
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), 1)
  }
}

interface Options {
  readonly command: keyof typeof COMMANDS
  readonly email: string
  readonly config: string
  readonly where: 'local' | 'remote'
}

/** The password is made here and known to nobody else; D1 has its hash. */
async function bootstrap(options: Options): Promise<number> {
  const { email, where } = options
  const password = randomText(18)
  const first = { id: newUserId(), email, passwordHash: await hashPassword(password) }
  const [added] = await execute(options, insertFirst(first, receiversOf(options)))
  if (added === undefined) {
    return fail(`There is an administrator already, or ${email} is taken: see list and grant.`, 1)
  }
  console.log(`${email} is an administrator (${first.id}, ${where}).
Password, shown once: ${password}
Its tokens administer where the sign-in asks for it: "scope": "gatehouse:admin" (docs/admin.md).`)
  return 0
}

async function grantTo(options: Options): Promise<number> {
  const [user] = await execute(options, grant(options.email, receiversOf(options)))
  if (user === undefined) return fail(`Nobody has the address ${options.email}.`, 1)
  console.log(`${options.email} is an administrator (${readText(user['id'])}, ${options.where}).`)
  return 0
}

/** An emergency may be a configuration that does not serve: the grant is then made, and no webhook is sent. */
function receiversOf({ config }: Options): Receivers {
  try {
    const { webhooks } = readConfiguration(config)
    return webhooks.filter(({ events }) => events.has('admin.granted')).map(({ id }) => id)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\nNo webhook is sent.`)
    return []
  }
}

async function list(options: Options): Promise<number> {
  const users = await execute(options, selectAdministrators())
  const lines = users.map((user) => {
    const disabled = user['disabled_at'] === null ? '' : '  disabled'
    return `${readText(user['id'])}  ${readNullable(user['email'], readText) ?? 'no e-mail'}${disabled}`
  })
  console.log(lines.length === 0 ? 'Nobody is an administrator: see bootstrap.' : lines.join('\n'))
  return 0
}

/** The rows of the last statement. */
async function execute({ config, where }: Options, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const command = sql.replaceAll(/\s+/g, ' ')
  const place = ['--config', config, `--${where}`]
  const output = await runWrangler('d1', 'execute', 'DB', '--json', '--yes', '--command', command, ...place)
  const answers: unknown = JSON.parse(output)
  const last: unknown = Array.isArray(answers) ? answers.at(-1) : null
  const rows = isObject(last) ? last['results'] : null
  if (!Array.isArray(rows)) throw new TypeError('wrangler gave no rows')
  return rows.filter(isObject)
}

function fail(message: string, exitCode: number): number {
  console.error(message)
  return exitCode
}

/** `null` for arguments that cannot be meant. */
function parse(args: readonly string[]): Options | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        email: { type: 'string' },
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        remote: { type: 'boolean', default: false },
        local: { type: 'boolean', default: false },
      },
    })
    const { config, local, remote } = values
    const [command, ...others] = positionals
    if (others.length > 0 || (local && remote) || !isCommand(command)) return null
    const email = command === 'list' && values.email === undefined ? '' : parseEmail(values.email)
    return email === null || (command === 'list' && email !== '')
      ? null
      : { command, email, config, where: remote ? 'remote' : 'local' }
  } catch {
    return null
  }
}

function isCommand(text: string | undefined): text is keyof typeof COMMANDS {
  return text !== undefined && Object.hasOwn(COMMANDS, text)
}
