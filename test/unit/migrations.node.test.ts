// The schema and the migrations: two ways to one database, and each older one has a way to the newest.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDER = join(ROOT, 'migrations')
const FILES = readdirSync(FOLDER).toSorted()
const SCHEMA = readFileSync(join(ROOT, 'schema.sql'), 'utf8')

/** What has been shipped does not change: a database that had it does not have it again. */
const SHIPPED: Readonly<Record<string, string>> = {
  '0001_first_release.sql': '17ac2deee1a594ff822fde0880cdf0ec539d3cfbe15dc3d662f611b6e20fddf3',
}

/** Wrangler's own table, as `wrangler d1 migrations apply` makes it. */
const WRANGLERS = `CREATE TABLE IF NOT EXISTS "d1_migrations"(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);`

function read(file: string): string {
  return readFileSync(join(FOLDER, file), 'utf8')
}

/** Does what wrangler does: each file that the database has not had, in order. */
function migrate(db: DatabaseSync): void {
  db.exec(WRANGLERS)
  const had = new Set(namesIn(db))
  for (const file of FILES.filter((each) => !had.has(each))) {
    db.exec(read(file))
    db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(file)
  }
}

function namesIn(db: DatabaseSync): readonly unknown[] {
  return db
    .prepare('SELECT name FROM d1_migrations ORDER BY id')
    .all()
    .map(({ name }) => name)
}

/** Everything that a schema is: tables by their columns and kinds, indexes by their text. The order of columns does not count. */
function shapeOf(db: DatabaseSync): unknown {
  const tables = db
    .prepare(
      `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' ORDER BY name`,
    )
    .all()
  const columns = db
    .prepare(
      `SELECT t.name AS of_table, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM pragma_table_list t, pragma_table_xinfo(t.name) c
       WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.name`,
    )
    .all()
  const references = db
    .prepare(
      `SELECT t.name AS of_table, f."table", f."from", f."to", f.on_update, f.on_delete FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
       WHERE t.schema = 'main' ORDER BY t.name, f."from"`,
    )
    .all()
  const others = db
    .prepare(`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type <> 'table' ORDER BY name`)
    .all()
    .map(({ type, name, tbl_name, sql }) => ({ type, name, tbl_name, sql: String(sql).replace(/\s+/g, ' ') }))
  return { tables, columns, references, others }
}

function make(...scripts: readonly string[]): DatabaseSync {
  const db = new DatabaseSync(':memory:')
  for (const script of scripts) db.exec(script)
  return db
}

describe('the migrations', () => {
  it('make of nothing what the schema makes of nothing', () => {
    const migrated = make()
    migrate(migrated)
    expect(shapeOf(migrated)).toEqual(shapeOf(make(SCHEMA)))
  })

  it('make of the first release, which kept no list, what the schema makes of nothing', () => {
    const old = make(read('0001_first_release.sql'))
    migrate(old)
    expect(shapeOf(old)).toEqual(shapeOf(make(SCHEMA)))
    expect(namesIn(old)).toEqual(FILES)
  })

  it('do nothing to a database that the schema has made', () => {
    const made = make(SCHEMA)
    const before = shapeOf(made)
    migrate(made)
    expect(shapeOf(made)).toEqual(before)
  })

  it('are numbered without a gap', () => {
    expect(FILES.map((file) => Number(/^(\d{4})_[a-z_]+\.sql$/.exec(file)?.[1]))).toEqual(FILES.map((_, at) => at + 1))
  })

  it.each(Object.entries(SHIPPED))('leave %s as it was shipped', (file, digest) => {
    const statements = read(file).replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ').trim()
    expect(createHash('sha256').update(statements).digest('hex')).toBe(digest)
  })
})

describe('the schema', () => {
  it('says of a new database that it has had every migration', () => {
    expect(namesIn(make(SCHEMA))).toEqual(FILES)
  })

  it('changes nothing when it is applied again', () => {
    const once = make(SCHEMA)
    const twice = make(SCHEMA, SCHEMA)
    expect(shapeOf(twice)).toEqual(shapeOf(once))
    expect(namesIn(twice)).toEqual(FILES)
  })

  it('says of an older database nothing that is not so', () => {
    const old = make(read('0001_first_release.sql'))
    expect(() => old.exec(SCHEMA)).toThrow('no such column')
    expect(namesIn(old)).toEqual([])
  })

  it('does not lose its place where it was broken off', () => {
    const begun = make(SCHEMA.slice(0, SCHEMA.indexOf('CREATE TABLE IF NOT EXISTS users')))
    begun.exec(SCHEMA)
    expect(shapeOf(begun)).toEqual(shapeOf(make(SCHEMA)))
    expect(namesIn(begun)).toEqual(FILES)
  })
})
