// Processes beside the bench: each on the core that it is given, reporting its ports, gone when the bench is.

import { execFileSync, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

export interface Running {
  readonly pid: number
  /** By the name under which the process reports it on file descriptor 3. */
  readonly port: (name: string) => Promise<number>
}

/** Who is measured has a core of its own; everybody else shares the other. */
export type Core = 'measured' | 'others'

const CORES: Readonly<Record<Core, string>> = { measured: '0', others: '1' }

/** Milliseconds in which a process must say its ports. */
const PATIENCE_MS = 10_000

const running = new Set<number>()
process.on('exit', endAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

/** Starts a process whose output is thrown away, but for what it says of errors. */
export function start(core: Core, command: string, args: readonly string[], cwd = import.meta.dirname): Running {
  const [program = command, ...rest] = [...pinning(core), command, ...args]
  const child = spawn(program, rest, { cwd, stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  const { pid } = child
  if (pid === undefined) throw new Error(`${program} cannot be run`)
  running.add(pid)
  child.once('exit', () => running.delete(pid))
  const ports = collectPorts(child.stdio[3])
  return { pid, port: (name) => untilPort(ports, name) }
}

/** Starts one of the bench's own servers in Node. */
export function startServer(file: string): Running {
  return start('others', process.execPath, [file])
}

/** Ends one. */
export function end({ pid }: Running): void {
  if (running.delete(pid)) process.kill(pid, 'SIGKILL')
}

/** Ends what was started; the end of the bench itself does the same. */
export function endAll(): void {
  running.forEach((pid) => process.kill(pid, 'SIGKILL'))
  running.clear()
}

/** Moves this very process, with all its threads, out of the way of who is measured. */
export function makeRoom(): void {
  if (!canPin) return
  const args = ['--all-tasks', '--cpu-list', '--pid', CORES.others, String(process.pid)]
  execFileSync('taskset', args, { stdio: 'ignore' })
}

/** Nothing where the machine has one core, or no taskset. */
function pinning(core: Core): readonly string[] {
  return canPin ? ['taskset', '--cpu-list', CORES[core]] : []
}

const canPin = availableParallelism() > 1 && hasTaskset()

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** One JSON line a port, as workerd writes it. */
function collectPorts(stream: unknown): Map<string, number> {
  if (!(stream instanceof Readable)) throw new TypeError('not a stream to read')
  const ports = new Map<string, number>()
  createInterface({ input: stream }).on('line', (line) => {
    const event: unknown = JSON.parse(line)
    if (typeof event !== 'object' || event === null || !('port' in event)) return
    ports.set('socket' in event ? String(event.socket) : 'inspector', Number(event.port))
  })
  return ports
}

async function untilPort(ports: ReadonlyMap<string, number>, name: string): Promise<number> {
  const deadline = Date.now() + PATIENCE_MS
  while (Date.now() < deadline) {
    const port = ports.get(name)
    if (port !== undefined) return port
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`a process did not say its port ${name}`)
}
