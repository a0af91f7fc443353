// The comparisons that are reported: designs on one traffic, the chosen one on others, and what breaks.

import { drawChanges, drawMassChange } from './changes.ts'
import type { Change } from './changes.ts'
import { createRandom } from './random.ts'
import type { Figures } from './report.ts'
import { figuresOf } from './report.ts'
import { simulate } from './run.ts'
import type { Design } from './strategies.ts'
import { databaseDesign, keyDesign, tickDesign, TODAY, YOUNG } from './strategies.ts'
import { createTraffic } from './traffic.ts'
import type { Traffic } from './traffic.ts'
import type { Faults } from './world.ts'
import { NO_FAULTS } from './world.ts'

export interface Scene {
  readonly users: number
  readonly locations: number
  readonly durationMs: number
  readonly warmUpMs: number
  readonly changesPerSecond: number
  readonly requestsPerSecond: number
  readonly exponent: number
}

export const SCENE: Scene = {
  users: 1_000_000,
  locations: 40,
  durationMs: 1_680_000,
  warmUpMs: 900_000,
  // A million users, each once in 30 days.
  changesPerSecond: 1_000_000 / (30 * 86_400),
  requestsPerSecond: 100,
  exponent: 1,
}

const CHOSEN = tickDesign({ everyMs: 5000, marginMs: 2000, waitAgeMs: 15_000, maxAgeMs: 35_000 })

const DESIGNS: readonly Design[] = [
  TODAY,
  YOUNG,
  keyDesign(1, 5000),
  keyDesign(1, 10_000),
  keyDesign(4, 5000),
  keyDesign(16, 5000),
  keyDesign(1, 5000, 1),
  keyDesign(1, 5000, 0.1),
  databaseDesign(5000, 35_000),
  CHOSEN,
  tickDesign({ everyMs: 2000, marginMs: 2000, waitAgeMs: 15_000, maxAgeMs: 35_000 }),
  tickDesign({ everyMs: 10_000, marginMs: 2000, waitAgeMs: 30_000, maxAgeMs: 40_000 }),
]

/** What breaks, and who is compared: some faults mean nothing to today's design. */
const FAULTS: readonly (readonly [name: string, faults: Faults, designs: readonly Design[]])[] = [
  ['cron 20 s late each minute', { ...NO_FAULTS, cronLateMs: 20_000 }, [CHOSEN]],
  ['1 tick in 10 put 3-10 s late', { ...NO_FAULTS, lateTicks: 0.1 }, [CHOSEN]],
  ['1 put in 10 seen 60 s late', { ...NO_FAULTS, tail: { share: 0.1, meanMs: 60_000 } }, [TODAY, CHOSEN]],
  ['cron dead for 10 minutes', { ...NO_FAULTS, cronDead: [1_000_000, 1_600_000] }, [TODAY, CHOSEN]],
  ['KV down for 5 minutes', { ...NO_FAULTS, kvDown: [1_200_000, 1_500_000] }, [TODAY, CHOSEN]],
]

export type Row = readonly [name: string, figures: Figures]

/** A scene, what happens on it, and the seed of what is left to chance. */
export interface Stage {
  readonly scene: Scene
  readonly traffic: Traffic
  readonly changes: readonly Change[]
  readonly seed: number
}

export function setStage(scene: Scene, seed: number): Stage {
  const { users, exponent, requestsPerSecond, durationMs, locations, warmUpMs, changesPerSecond } = scene
  const traffic = createTraffic({
    random: createRandom(seed),
    users,
    exponent,
    requestsPerSecond,
    durationMs,
    locations,
    isolatesPerLocation: 4,
    isolateLifeMs: 900_000,
    atHome: 0.95,
  })
  const changes = drawChanges({
    random: createRandom(seed + 1),
    traffic,
    locations,
    perSecond: changesPerSecond,
    fromMs: 0,
    untilMs: durationMs,
    thievesFromMs: warmUpMs,
  })
  return { scene, traffic, changes, seed }
}

/** Every design on the same requests and the same changes. */
export function compareDesigns(stage: Stage): readonly Row[] {
  return DESIGNS.map((design) => [design.name, runOn(stage, design, NO_FAULTS)])
}

/** Today's design and the chosen one where people are more or less unequal, and where traffic is thin. */
export function compareScenes({ scene, seed }: Stage): readonly Row[] {
  const scenes = [
    { ...scene, exponent: 0.8 },
    { ...scene, exponent: 1.2 },
    { ...scene, requestsPerSecond: scene.requestsPerSecond / 10 },
  ]
  return scenes.flatMap((other) => {
    const stage = setStage(other, seed)
    const where = `exponent ${other.exponent}, ${other.requestsPerSecond}/s`
    return [TODAY, CHOSEN].map((design): Row => [`${where}: ${design.name}`, runOn(stage, design, NO_FAULTS)])
  })
}

/** Today's design and the chosen one while something is broken. */
export function compareFaults(stage: Stage): readonly Row[] {
  return FAULTS.flatMap(([name, faults, designs]) =>
    designs.map((design): Row => [`${name}: ${design.name}`, runOn(stage, design, faults)]),
  )
}

/** Two thousand users within half a minute: an import, or a tenant that is locked out. */
export function compareMassChange({ scene, traffic, seed }: Stage): readonly Row[] {
  const changes = drawMassChange(createRandom(seed + 2), traffic, 2000, scene.warmUpMs + 60_000, 30_000)
  const stage = { scene, traffic, changes, seed }
  return [TODAY, keyDesign(1, 5000), keyDesign(16, 5000), CHOSEN].map((design) => [
    design.name,
    runOn(stage, design, NO_FAULTS),
  ])
}

function runOn({ scene, traffic, changes, seed }: Stage, design: Design, faults: Faults): Figures {
  const { users, locations, durationMs, warmUpMs } = scene
  return figuresOf(simulate(design, { traffic, users, locations, durationMs, warmUpMs, changes, faults, seed }))
}
