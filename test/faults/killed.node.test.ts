// A gateway that is killed while it works, in short; `npm run soak:kill` is the long form.
import { expect, it } from 'vitest'

import { soak } from '../../bin/soak/run.ts'

it('a gateway killed forty times undoes no end, signs nobody out, and ends with KV as D1 has it', async () => {
  const { kills, traffic, tally, violations } = await soak({ kills: 40, clients: 8 })
  const operations = [...tally.values()].reduce((sum, count) => sum + count, 0)
  console.log(`${kills} kills, ${operations} operations, ${traffic.answered} answers, ${traffic.lost} lost`)
  expect(violations).toEqual([])
  expect(operations).toBeGreaterThan(200)
  expect(traffic.lost).toBeGreaterThan(40)
  expect(tally.get('rotated')).toBeGreaterThan(20)
}, 240_000)
