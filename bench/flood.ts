// `npm run bench:flood`: how long a known token waits while many addresses sign in at once.

import { parseArgs } from 'node:util'

import { Client } from 'undici'

import { selectContestants } from './contestants.ts'
import { ISSUER } from './issuer.ts'
import { makeRoom } from './processes.ts'
import { setStage } from './stage.ts'
import { quantile } from './statistics.ts'
import type { HeaderList } from './supply.ts'

const { values } = parseArgs({
  options: {
    /** Sign-ins that are under way all the time, each from an address of its own. */
    'sign-ins': { type: 'string', default: '40' },
    /** Of each half: with the flood and without. */
    seconds: { type: 'string', default: '20' },
  },
})
const SIGN_INS = Number(values['sign-ins'])
const SECONDS = Number(values.seconds)

/** Milliseconds between two requests with a known token. */
const INTERVAL_MS = 20

makeRoom()
const vars = { PASSWORDS: { sign_in: true } }
const { entrants } = await setStage(selectContestants(['known']), { connections: 1, profile: null, vars })
const [entrant] = entrants
if (entrant === undefined) throw new Error('no gateway')
const origin = `http://127.0.0.1:${await entrant.process.port('http')}`
const credentials = await entrant.supply(64)

await measureKnown(2)
const hash = await measureHash()
const alone = await measureKnown(SECONDS)
const flood = startFlood()
await sleep(1000)
const flooded = await measureKnown(SECONDS)
const answers = await flood.stop()
report()
process.exit()

/** Latencies of a known token in milliseconds, shortest first. Requests begin at fixed times, whatever became of those before. */
async function measureKnown(seconds: number): Promise<readonly number[]> {
  const count = Math.ceil((seconds * 1000) / INTERVAL_MS)
  const pool = Array.from({ length: 64 }, () => new Client(origin, { pipelining: 1 }))
  const began = performance.now()
  const latencies = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      await sleep(began + at * INTERVAL_MS - performance.now())
      const sentAt = performance.now()
      const client = pool[at % pool.length]
      if (client === undefined) throw new RangeError('no connection')
      const status = await ask(client, credentials[at % credentials.length] ?? [])
      if (status !== 200) throw new Error(`a known token was answered ${status}`)
      return performance.now() - sentAt
    }),
  )
  await Promise.all(pool.map((each) => each.close()))
  return latencies.toSorted((one, other) => one - other)
}

async function ask(client: Client, headers: HeaderList): Promise<number> {
  const { statusCode, body } = await client.request({ path: '/orders/1', method: 'GET', headers: [...headers] })
  await body.dump()
  return statusCode
}

/** The median of single sign-ins, in milliseconds. */
async function measureHash(): Promise<number> {
  const client = new Client(origin)
  const times: number[] = []
  for (let at = 0; at < 15; at += 1) {
    const sentAt = performance.now()
    await signIn(client, at)
    times.push(performance.now() - sentAt)
  }
  return quantile(
    times.toSorted((one, other) => one - other),
    0.5,
  )
}

/** One wrong password for an account of its own, from an address of its own. */
async function signIn(client: Client, number: number): Promise<number> {
  const address = `198.${18 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
  const { statusCode, body } = await client.request({
    path: '/auth/sign-in',
    method: 'POST',
    headers: { host: new URL(ISSUER).host, 'content-type': 'application/json', 'cf-connecting-ip': address },
    body: JSON.stringify({ email: `user${number}@example.com`, password: 'a wrong password', transport: 'token' }),
  })
  await body.dump()
  return statusCode
}

function startFlood() {
  const answered = new Map<number, number>()
  const state = { isOn: true, sent: 1000 }
  const began = performance.now()
  async function signInAgain(client: Client): Promise<void> {
    while (state.isOn) {
      state.sent += 1
      const status = await signIn(client, state.sent)
      answered.set(status, (answered.get(status) ?? 0) + 1)
      // A client that was refused comes again a little later.
      if (status !== 401) await sleep(50)
    }
    await client.close()
  }
  const running = Array.from({ length: SIGN_INS }, () => signInAgain(new Client(origin)))
  return {
    stop: async () => {
      const seconds = (performance.now() - began) / 1000
      state.isOn = false
      await Promise.all(running)
      return { answered, seconds }
    },
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))
}

function report(): void {
  console.log(`one sign-in alone: ${hash.toFixed(0)} ms; known token every ${INTERVAL_MS} ms, milliseconds:`)
  console.log(`${''.padEnd(24)} ${['p50', 'p90', 'p99', 'most'].map((name) => name.padStart(8)).join(' ')}`)
  console.log(row('alone', alone))
  console.log(row(`beside ${SIGN_INS} sign-ins`, flooded))
  for (const [status, count] of answers.answered) {
    console.log(`sign-ins answered ${status}: ${(count / answers.seconds).toFixed(1)}/s`)
  }
}

function row(title: string, latencies: readonly number[]): string {
  const shares = [0.5, 0.9, 0.99, 1].map((share) => quantile(latencies, share).toFixed(1).padStart(8))
  return `${title.padEnd(24)} ${shares.join(' ')}`
}
