// `npm run soak:kill`: kills a gateway on this machine again and again while it is used, and tells whether anything was lost.
import { parseArgs } from 'node:util'

import { soak } from './soak/run.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '300' } } })
const kills = Number(values.rounds)
if (!Number.isSafeInteger(kills) || kills < 1) throw new TypeError('--rounds must be a number from 1 on')

const { traffic, tally, ticks, users, violations } = await soak({
  kills,
  clients: 12,
  onKill: (count) => count % 25 === 0 && console.log(`${count} kills`),
})
console.log(
  `${kills} kills, ${users} users, ${traffic.answered} answers, ${traffic.lost} lost, ${traffic.unavailable} of 5xx, ${ticks} ticks.`,
)
console.log([...tally].map(([what, count]) => `${count} ${what}`).join(', '))
for (const violation of violations) console.error(violation)
console.log(violations.length === 0 ? 'Nothing was lost.' : `${violations.length} violations.`)
process.exitCode = violations.length === 0 ? 0 : 1
