// PAGES: what browsers are asked to keep and to forget by the gateway's own answers.

import type { Config } from './config.ts'
import { readChoices, readDuration, readMember, readOptionalTable, type Table } from './read.ts'

const YEAR = 365 * 86_400

/** `insecure` is an `http://localhost` ISSUER, where HSTS has no meaning (RFC 6797 §7.2). */
export function readPages(root: Table, insecure: boolean): Config['pages'] {
  const table = readOptionalTable(root, 'PAGES', ['hsts', 'clear_site_data'])
  const hsts = readHsts(table)
  return {
    hsts: insecure ? null : hsts,
    clearSiteData: [...new Set(readChoices(table, 'clear_site_data', ['cache', 'storage']) ?? [])],
  }
}

/** `"0s"` makes browsers forget it; `"off"` says nothing to them. */
function readHsts(table: Table): number | null {
  if (readMember(table, 'hsts') === 'off') return null
  return readDuration(table, 'hsts', '0s', '730d') ?? YEAR
}
