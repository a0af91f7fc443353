// `npm start`: the gateway on this machine, with the demo API or one of your own behind it, until Ctrl-C.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { formatDevVars, makeSecrets, writeSecretFile } from '../secrets.ts'
import { DEMO_PORT, localConfiguration, localOrigin } from './configuration.ts'
import { startCron } from './cron.ts'
import { applySql, clearLog, migrate, startGateway, startLogged, untilHealthy } from './gateway.ts'
import type { Site } from './gateway.ts'
import { guide } from './guide.ts'
import { findFree, requireFree } from './ports.ts'
import { Problem } from './problem.ts'
import type { Group } from './processes.ts'
import { seedSql } from './seed.ts'
import type { Settings } from './settings.ts'
import { parseSettings } from './settings.ts'

const root = join(import.meta.dirname, '..', '..')
/** Beside wrangler.toml, so that every path in it means the same. */
const LOCAL_FILE = '.wrangler.start.toml'

const groups: Group[] = []
const interrupted = new Promise<null>((resolve) => {
  for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, () => resolve(null))
})
const problem = await Promise.race([interrupted, run()])
if (problem !== null) console.error([problem.output, problem.message].filter((text) => text !== '').join('\n\n'))
await Promise.all(groups.map((group) => group.stop()))
rmSync(join(root, LOCAL_FILE), { force: true })
process.exit(problem === null ? 0 : 1)

/** What went wrong, once something has. */
async function run(): Promise<Problem> {
  try {
    const gateway = await start(parseSettings(process.env, process.argv.slice(2)))
    await gateway.ended
    return new Problem('The gateway stopped.')
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

async function start(settings: Settings): Promise<Group> {
  await requireFree(settings.port)
  const demoOrigin = localOrigin(await findFree(DEMO_PORT, settings.port))
  const origin = localOrigin(settings.port)
  const local = localConfiguration(readFileSync(join(root, 'wrangler.toml'), 'utf8'), {
    ...settings,
    origin,
    demoOrigin,
  })
  const site: Site = {
    root,
    configuration: local.text === null ? 'wrangler.toml' : LOCAL_FILE,
    verbose: settings.verbose,
  }
  if (local.text !== null) writeFileSync(join(root, LOCAL_FILE), local.text)
  clearLog(site)

  await makeDevVars()
  await migrate(site)
  await applySql(site, await seedSql())

  if (local.usesDemo) groups.push(startDemo(site, demoOrigin, origin))
  const gateway = startGateway(site, settings.port)
  groups.push(gateway)
  await untilHealthy(site, gateway, `${origin}${local.authPath}/health`)
  startCron(origin)
  console.log(guide({ ...settings, ...local, demo: local.usesDemo ? demoOrigin : null }))
  return gateway
}

async function makeDevVars(): Promise<void> {
  const made = writeSecretFile(join(root, '.dev.vars'), formatDevVars(await makeSecrets()))
  if (made) console.log('Made .dev.vars: secrets for this machine only.')
}

function startDemo(site: Site, origin: string, gateway: string): Group {
  const { port } = new URL(origin)
  return startLogged(site, [join('examples', 'demo-api.mjs')], { PORT: port, ORIGIN: origin, GATEWAY: gateway })
}
