// What schema.sql makes, to be compared with what a database has.
import { DatabaseSync } from 'node:sqlite'

/** A statement that lists the columns of tables, and all indexes, as `table.column` and `index name`. */
export function listingSql(tables: readonly string[]): string {
  const columns = tables.map((table) => `SELECT '${table}.' || name AS part FROM pragma_table_info('${table}')`)
  return [...columns, `SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`].join(
    ' UNION ALL ',
  )
}

export interface Schema {
  readonly tables: readonly string[]
  /** Columns and indexes, as `listingSql` lists them. */
  readonly parts: readonly string[]
}

/** What a new database would have. */
export function readSchema(sql: string): Schema {
  const database = new DatabaseSync(':memory:')
  try {
    database.exec(sql)
    const list = (query: string) =>
      database
        .prepare(query)
        .all()
        .map((row) => String(Object.values(row)[0]))
    const tables = list(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    return { tables, parts: list(listingSql(tables)) }
  } finally {
    database.close()
  }
}
