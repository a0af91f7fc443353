// What a schedule may be made of: steps, the faults that calls meet on the way, and the order of everything.

import type { Arbitrary } from 'fast-check'
import { array, boolean, constant, constantFrom, integer, nat, oneof, record, scheduler } from 'fast-check'

import { MISHAPS } from './fake-kv.ts'
import { FAULTS } from './schedule.ts'
import type { Circumstances } from './scheduled-world.ts'
import type { Step } from './steps.ts'

const who = constantFrom(0, 0, 0, 1, 1, 2)
const at = nat(1)
const user = constantFrom(0, 0, 1)
const on = constantFrom('marker', 'session', 'expiry')
const ms = constantFrom(250, 1000, 4000, 16_000, 31_000, 31_000, 61_000, 61_000, 301_000, 601_000)
const times = integer({ min: 1, max: 3 })

const step: Arbitrary<Step> = oneof(
  { weight: 12, arbitrary: record({ do: constant('go on'), who, at }) },
  { weight: 4, arbitrary: record({ do: constant('ask again'), who, at }) },
  { weight: 7, arbitrary: record({ do: constant('use'), who, at, on, isBare: boolean() }) },
  { weight: 7, arbitrary: record({ do: constant('refresh'), who, at, times }) },
  { weight: 8, arbitrary: record({ do: constant('pass'), ms }) },
  { weight: 5, arbitrary: record({ do: constant('sign in'), who, at }) },
  { weight: 2, arbitrary: record({ do: constant('sign out'), who, at }) },
  { weight: 2, arbitrary: record({ do: constantFrom('sign out everywhere', 'change password'), who, at }) },
  { weight: 2, arbitrary: record({ do: constant('end another'), who, other: who, at }) },
  { weight: 2, arbitrary: record({ do: constant('change roles'), user, role: constantFrom('a', 'b'), at }) },
  { weight: 2, arbitrary: record({ do: constantFrom('end all of', 'disable', 'enable'), user, at }) },
  { weight: 2, arbitrary: record({ do: constant('steal'), who }) },
  {
    weight: 5,
    arbitrary: record({ do: constant('spend'), who, at, on: constantFrom('refresh', 'refresh', 'marker') }),
  },
  { weight: 4, arbitrary: record({ do: constant('cron') }) },
  { weight: 2, arbitrary: record({ do: constant('cross a tick'), who, at }) },
)

export const plan = record({
  scheduler: scheduler(),
  steps: array(step, { minLength: 1, maxLength: 14, size: 'max' }),
  faults: array(record({ skip: nat(20), fault: constantFrom(...FAULTS) }), { maxLength: 4 }),
  limitsWrites: boolean(),
  mishaps: array(oneof({ weight: 3, arbitrary: constant('none' as const) }, constantFrom(...MISHAPS)), {
    minLength: 1,
    maxLength: 7,
  }),
  digestCap: constantFrom(1, 1000),
  isHasty: boolean(),
  outage: constantFrom('failing', 'empty'),
})

export interface Plan extends Circumstances {
  readonly steps: readonly Step[]
  /** The first tick that nothing fails in begins while everything is still on its way. */
  readonly isHasty: boolean
}
