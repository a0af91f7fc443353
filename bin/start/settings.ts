// What `npm start` is told: PORT, UPSTREAM and --verbose.
import { Problem } from './problem.ts'

export interface Settings {
  readonly port: number
  /** The API that `UPSTREAM` names; `null` is the demo API, or whatever wrangler.toml says. */
  readonly upstream: string | null
  /** Shows what wrangler says. */
  readonly verbose: boolean
}

const USAGE = `Usage: [PORT=8787] [UPSTREAM=http://localhost:3000] npm start [-- --verbose]`

/** @throws Problem for what cannot be meant */
export function parseSettings(env: NodeJS.ProcessEnv, args: readonly string[]): Settings {
  const unknown = args.find((arg) => arg !== '--verbose')
  if (unknown !== undefined) throw new Problem(`${unknown} is not an option.\n${USAGE}`)
  const port = parsePort(env['PORT'] || '8787')
  return { port, upstream: parseUpstream(env['UPSTREAM'] || null, port), verbose: args.includes('--verbose') }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new Problem(`PORT must be a number from 1 to 65535.`)
  return port
}

function parseUpstream(text: string | null, port: number): string | null {
  if (text === null) return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ''
  ) {
    throw new Problem('UPSTREAM must be an http or https URL such as http://localhost:3000.')
  }
  if (['localhost', '127.0.0.1', '[::1]'].includes(url.hostname) && Number(url.port || 80) === port) {
    throw new Problem(`UPSTREAM is the gateway's own address: give one of them another port.`)
  }
  return url.pathname === '/' ? url.origin : url.href
}
