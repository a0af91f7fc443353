// `npm run simulate`: what revocation costs and how soon it is felt, and what the memory of tokens finds. `-- --json <file>` keeps the figures.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { compareDesigns, compareFaults, compareMassChange, compareScenes, SCENE, setStage } from './compare.ts'
import type { Scene } from './compare.ts'
import { measureDigest } from './digest-size.ts'
import type { DigestSize } from './digest-size.ts'
import { measureFootprint } from './footprint.ts'
import { compareMemories } from './hit-rate.ts'
import type { MemoryRow } from './hit-rate.ts'
import { table, tableOfFigures } from './report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string', default: String(SCENE.requestsPerSecond) },
    users: { type: 'string', default: String(SCENE.users) },
  },
})
const seed = Number(values.seed)
const users = Number(values.users)
const scene: Scene = {
  ...SCENE,
  users,
  requestsPerSecond: Number(values.rate),
  changesPerSecond: users / (30 * 86_400),
}

const { sample, ...footprint } = await measureFootprint(1500)
const memories = compareMemories(sample, seed)
const digests = [1e5, 1e6, 1e7, 1e8].map((population) => measureDigest(population, 30, 1020, 10_000))
const stage = setStage(scene, seed)
const designs = compareDesigns(stage)
const scenes = compareScenes(stage)
const faults = compareFaults(stage)
const mass = compareMassChange(stage)

console.log(describeFootprint(footprint))
console.log(describeMemories(memories))
console.log(describeDigests(digests))
for (const [title, rows] of [
  ['design', designs],
  ['traffic', scenes],
  ['what is broken', faults],
  ['2,000 changes in 30 s', mass],
] as const)
  console.log(`\n${tableOfFigures(title, rows)}`)
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ scene, footprint, memories, digests, designs, scenes, faults, mass }, null, 2)}\n`,
  )

function describeFootprint({ tokenCharacters, bytesPerEntry }: typeof footprint): string {
  const megabytes = (bytesPerEntry * 10_000) / 1e6
  return `A token of ${tokenCharacters} characters takes ${bytesPerEntry.toFixed(0)} bytes; 10,000 take ${megabytes.toFixed(1)} MB.`
}

function describeMemories(rows: readonly MemoryRow[]): string {
  const cells = rows.map(({ requestsPerSecond, exponent, capacity, order, hits, nanosecondsPerRequest }) => [
    `${requestsPerSecond}/s`,
    exponent.toFixed(1),
    String(capacity),
    order,
    `${(hits * 100).toFixed(1)} %`,
    nanosecondsPerRequest.toFixed(0),
  ])
  return `\n${table(['isolate', 'exponent', 'capacity', 'order', 'hits', 'ns/request'], cells)}`
}

function describeDigests(rows: readonly DigestSize[]): string {
  const cells = rows.map((row) => [
    row.users.toLocaleString('en'),
    String(row.entries),
    String(row.bytes),
    row.parseMilliseconds.toFixed(2),
  ])
  return `\n${table(['users', 'entries', 'bytes', 'parse ms'], cells)}`
}
