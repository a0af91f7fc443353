// What schema.sql makes, to be compared with what a database has.
import { DatabaseSync } from 'node:sqlite'

/** A statement that lists the columns of tables, and all indexes. D1 takes no more than five SELECTs in one. */
export function listingSql(tables: readonly string[]): string {
  const names = tables.map((table) => `'${table}'`).join(', ')
  return `SELECT m.name || '.' || p.name AS part FROM sqlite_master m JOIN pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name IN (${names})
    UNION ALL SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`
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
