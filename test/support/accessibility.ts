// What axe-core finds wrong with a page for people who cannot see, hear, point or read like its author.

import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** WCAG 2.2 A and AA, and what axe calls best practice: a line each, the rule and where it is broken. */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source)
  const found: unknown = await page.evaluate(
    `axe.run().then(({ violations, passes }) => ({
       passed: passes.length,
       barriers: violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target.join(' '))),
     }))`,
  )
  const { passed, barriers } = parseFindings(found)
  if (passed === 0) throw new Error('axe has looked at nothing')
  return barriers
}

interface Findings {
  readonly passed: number
  readonly barriers: readonly string[]
}

function parseFindings(found: unknown): Findings {
  const { passed, barriers }: Findings = JSON.parse(JSON.stringify(found))
  return { passed, barriers }
}
