// What `npm start` has started: each a process group of its own, so that ending it leaves nobody behind.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Group {
  /** The exit code of the group's first process; `null` where a signal ended it. */
  readonly ended: Promise<number | null>
  /** Asks every process of the group to end, makes it after five seconds, and resolves when none is left. */
  readonly stop: () => Promise<void>
}

export interface Surroundings {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Where output goes: a file descriptor, or this terminal. */
  readonly output: number | 'inherit'
}

/** Milliseconds in which a group may end by itself. */
const PATIENCE_MS = 5000

const running = new Set<number>()
// Should this process end in a way that nobody foresaw, nothing outlives it.
process.on('exit', () => running.forEach((pid) => signalGroup(pid, 'SIGKILL')))

/** Runs a file in Node as the leader of a new process group. */
export function startNode(args: readonly string[], { cwd, env, output }: Surroundings): Group {
  const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ['ignore', output, output] })
  const { pid } = child
  if (pid === undefined) throw new Error(`${process.execPath} cannot be run`)
  running.add(pid)
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code))
  })
  return { ended, stop: () => stop(pid) }
}

async function stop(pid: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  signalGroup(pid, 'SIGTERM')
  while (signalGroup(pid, 0) && Date.now() < deadline) await sleep(25)
  signalGroup(pid, 'SIGKILL')
  running.delete(pid)
}

/** False where the group has no process left. */
function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}
