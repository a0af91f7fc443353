// D1 over SQLite in memory: the real statements, a batch one transaction, on the schedule's clock.

import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'

import type { Schedule } from './schedule.ts'

type Row = Readonly<Record<string, unknown>>

/** Told once, of the first batch that commits. */
interface Watch {
  readonly name: string
  readonly committed: () => void
}

interface Prepared {
  readonly sql: string
  readonly parameters: readonly SQLInputValue[]
}

export type FakeD1 = ReturnType<typeof createFakeD1>

/** One database for many runs; `begin` empties it. */
export function createFakeD1(schema: string) {
  const sqlite = new DatabaseSync(':memory:')
  const state: { schedule: Schedule | null; watch: Watch | null } = { schedule: null, watch: null }
  const nowMs = () => state.schedule?.nowMs() ?? 0
  sqlite.function('unixepoch', { varargs: true }, (unit) =>
    unit === 'subsec' ? nowMs() / 1000 : Math.floor(nowMs() / 1000),
  )
  sqlite.exec(schema)
  const statements = new Map<string, StatementSync>()

  function find(sql: string): StatementSync {
    const statement = statements.get(sql) ?? sqlite.prepare(sql)
    statements.set(sql, statement)
    return statement
  }

  function query(sql: string, ...parameters: readonly SQLInputValue[]): readonly Row[] {
    return find(sql).all(...parameters)
  }

  function commit(batch: readonly Prepared[]): readonly { readonly results: readonly Row[] }[] {
    query('BEGIN')
    try {
      const results = batch.map(({ sql, parameters }) => ({ results: query(sql, ...parameters) }))
      query('COMMIT')
      return results
    } catch (error) {
      query('ROLLBACK')
      throw new Error(`D1_ERROR: ${error instanceof Error ? error.message : 'unknown'}`, { cause: error })
    }
  }

  const binding = {
    prepare: (sql: string) => ({
      sql,
      parameters: [],
      bind: (...parameters: SQLInputValue[]) => ({ sql, parameters }),
    }),
    batch: (batch: readonly Prepared[]) => {
      const { schedule, watch } = state
      state.watch = null
      if (schedule === null) throw new Error('no schedule')
      return schedule.call(watch === null ? 'D1' : `D1 ${watch.name}`, () => {
        const results = commit(batch)
        watch?.committed()
        return results
      })
    },
  }
  const promptly = { prepare: binding.prepare, batch: async (batch: readonly Prepared[]) => commit(batch) }
  if (!isDatabase(binding) || !isDatabase(promptly)) throw new TypeError('no D1')

  return {
    binding,
    /** The same, asked and answered in one moment. */
    promptly,
    /** At once, and beside the schedule. */
    query,
    /** Tells of the commit of the batch that `run` asks for before it first waits. */
    watch: <T>(watch: Watch, run: () => Promise<T>): Promise<T> => {
      state.watch = watch
      const answer = run()
      state.watch = null
      return answer
    },
    begin: (schedule: Schedule) => {
      state.schedule = schedule
      for (const table of ['deliveries', 'audit_events', 'sessions', 'users', 'sign_in_attempts'])
        query(`DELETE FROM ${table}`)
    },
  }
}

/** As much of it as the product uses: everything runs through `batch`. */
function isDatabase(value: object): value is D1Database {
  return 'prepare' in value && 'batch' in value
}
