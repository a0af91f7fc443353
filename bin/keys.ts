// `npm run keys`: fresh SIGNING_KEYS and SESSION_KEYS, to the terminal or into a file for `wrangler deploy --secrets-file`.
import { parseArgs } from 'node:util'

import { formatDevVars, makeSecrets, writeSecretFile } from './secrets.ts'

const USAGE = `Usage: npm run keys [-- --secrets-file <path>]

Makes a signing key (ES256) and a session key.
Without an option both are printed, in the form of .dev.vars.
With --secrets-file they are written as JSON, for: wrangler deploy --secrets-file <path>
The file must not exist yet, and only you can read it. Delete it once the Worker is deployed.

To rotate: put the new key in front of the old ones in SIGNING_KEYS ({"keys":[new,old]}) and in
SESSION_KEYS (new,old). The first one signs, every one verifies. Drop an old signing key when
access_ttl has passed, an old session key when absolute_timeout has.`

process.exitCode = await run(process.argv.slice(2))

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) {
    console.error(USAGE)
    return 2
  }
  if (options.help === true) {
    console.log(USAGE)
    return 0
  }
  const secrets = await makeSecrets()
  const path = options['secrets-file']
  if (path === undefined) {
    process.stdout.write(formatDevVars(secrets))
    return 0
  }
  const written = writeSecretFile(path, `${JSON.stringify(secrets, null, 2)}\n`)
  if (written) console.log(`Written to ${path}. Deploy with: npx wrangler deploy --secrets-file ${path}`)
  else console.error(`${path} exists already, and keys are never overwritten.`)
  return written ? 0 : 1
}

function parse(args: readonly string[]) {
  try {
    const options = { 'secrets-file': { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
    return parseArgs({ args: [...args], options }).values
  } catch {
    return null
  }
}
