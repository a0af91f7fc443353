// `npm run bench`: what a request costs behind the gateway, side by side with what a user would pick instead.

import { dropAbsent, selectContestants } from './contestants.ts'
import { parseOptions } from './options.ts'
import { makeRoom } from './processes.ts'
import { profileWhile, saveProfile } from './profile.ts'
import { reportOf, saveReport, tableOf } from './report.ts'
import { runRounds, takeTurn } from './rounds.ts'
import { describeSelfTimes, selfTimesOf } from './self-time.ts'
import { setStage } from './stage.ts'

const options = parseOptions(process.argv.slice(2))
makeRoom()
if (options.profile === null) await compare()
else await profile(options.profile)
process.exit()

async function compare(): Promise<void> {
  const { entrants } = await setStage(dropAbsent(selectContestants(options.only)), options)
  const { rounds, requests, connections } = options
  const measured = await runRounds(entrants, { rounds, requests })
  const report = reportOf(entrants, measured, { rounds, requests, connections })
  if (options.only.length === 0) saveReport(report)
  console.log(tableOf(report))
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
