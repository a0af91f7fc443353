// `npm run bench`: what a request costs behind the gateway, side by side with what a user would pick instead.

import { dropAbsent, selectContestants } from './contestants.ts'
import { countRequests } from './counts.ts'
import { parseOptions } from './options.ts'
import { makeRoom } from './processes.ts'
import { profileWhile, saveProfile } from './profile.ts'
import { reportOf } from './report.ts'
import { saveReport } from './results.ts'
import { runRounds, takeTurn } from './rounds.ts'
import { describeSelfTimes, selfTimesOf } from './self-time.ts'
import type { Stage } from './stage.ts'
import { setStage } from './stage.ts'
import { measureStartupMs } from './startup.ts'
import { tableOf } from './table.ts'

const options = parseOptions(process.argv.slice(2))
makeRoom()
if (options.profile === null) await compare()
else await profile(options.profile)
process.exit()

/** Starts are slow to measure, and belong to the whole table only. */
async function compare(): Promise<void> {
  const { rounds, requests, connections } = options
  const isWhole = options.only.length === 0
  const stage = await setStage(dropAbsent(selectContestants(options.only)), options)
  const measured = {
    startupsMs: isWhole ? await measureStartups(stage) : new Map<string, number>(),
    counts: await countAll(stage),
    rounds: await runRounds(stage.entrants, { rounds, requests }, stage.restart),
  }
  const report = reportOf(stage.entrants, measured, { rounds, requests, connections })
  if (isWhole) saveReport(report)
  console.log(tableOf(report))
}

/** By program. */
async function measureStartups({ entrants }: Stage): Promise<Map<string, number>> {
  const bundles = new Map(entrants.map(({ contestant, bundle }) => [contestant.program, bundle]))
  const startupsMs = new Map<string, number>()
  for (const [program, bundle] of bundles) {
    if (bundle !== null) startupsMs.set(program, await measureStartupMs(bundle, 3))
  }
  return startupsMs
}

async function countAll({ entrants, scene }: Stage) {
  const counts = new Map<string, Readonly<Record<string, number>>>()
  for (const entrant of entrants) counts.set(entrant.contestant.name, await countRequests(entrant, scene, 200))
  return counts
}

async function profile(name: string): Promise<void> {
  const { entrants } = await setStage(selectContestants([name]), options)
  for (const entrant of entrants) {
    await takeTurn(entrant, options.requests)
    const inspector = await entrant.process.port('inspector')
    const taken = await profileWhile(inspector, () => takeTurn(entrant, options.requests))
    console.log(describeSelfTimes(selfTimesOf(taken), options.requests, 40))
    console.log(`The whole profile: ${saveProfile(taken, name)}`)
  }
}
