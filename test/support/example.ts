// An example as newcomers run it: in a process of its own, on a free port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Example {
  readonly origin: string
  /** What it has printed, in lines. */
  readonly printed: readonly string[]
  readonly stop: () => void
}

/** Runs `examples/<name>` as the upstream of `gateway`, or as a receiver that has `others` in its environment. */
export async function runExample(
  name: string,
  gateway: string,
  others: Readonly<Record<string, string>> = {},
): Promise<Example> {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const file = join(import.meta.dirname, '..', '..', 'examples', name)
  const env = { ...process.env, PORT: String(port), ORIGIN: origin, GATEWAY: gateway, ...others }
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const printed: string[] = []
  createInterface(child.stdout).on('line', (line) => printed.push(line))
  await once(child.stdout, 'data')
  return { origin, printed, stop: () => void child.kill() }
}

/** A port on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a port')
  server.close()
  await once(server, 'close')
  return address.port
}
