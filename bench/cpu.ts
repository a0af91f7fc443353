// How much CPU a process has used so far, user and system, all its threads together.

import { readdirSync, readFileSync } from 'node:fs'

/** Microseconds. Linux counts nanoseconds per thread in schedstat, where /proc/<pid>/stat has ticks of 10 ms. */
export function readCpuMicros(pid: number): number {
  const folder = `/proc/${pid}/task`
  const nanoseconds = readdirSync(folder).map((thread) =>
    parseRunTime(readFileSync(`${folder}/${thread}/schedstat`, 'utf8')),
  )
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000
}

/** Nanoseconds: the first of the three numbers. */
export function parseRunTime(schedstat: string): number {
  const [runTime = ''] = schedstat.split(' ')
  return Number(runTime)
}
