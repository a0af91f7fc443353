// People's browsers: Chromium, once a test file, and in it any number of browsers that share nothing.

import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach } from 'vitest'

import { launchChromium } from './chromium.ts'

/** How people look at a page. */
export const LOOKS = ['light', 'dark', 'phone'] as const

export type Look = (typeof LOOKS)[number]

const SETTINGS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true },
} as const satisfies Readonly<Record<Look, BrowserContextOptions>>

export interface Browsers {
  /** Somebody's browser: cookies of its own; its pages are its tabs. It is closed when the test is through. */
  readonly open: (look?: Look, options?: BrowserContextOptions) => Promise<BrowserContext>
}

/** Nothing on a page is waited for any longer. */
const PATIENCE_MS = 15_000

/** Starts Chromium; it stops when the test file is through. */
export async function startBrowsers(): Promise<Browsers> {
  const chromium: Browser = await launchChromium()
  const opened = new Set<BrowserContext>()
  afterEach(async () => {
    await Promise.all([...opened].map((context) => context.close()))
    opened.clear()
  })
  afterAll(() => chromium.close())
  return {
    open: async (look = 'light', options = {}) => {
      const context = await chromium.newContext({ ...SETTINGS[look], ...options })
      opened.add(context)
      context.setDefaultTimeout(PATIENCE_MS)
      return context
    },
  }
}

/** Where pictures go: SCREENSHOTS, else a folder that the system forgets. */
const PICTURES = process.env['SCREENSHOTS'] ?? mkdtempSync(join(tmpdir(), 'gatehouse-screenshots-'))

/** A picture of the whole page, `<name>-<look>.png`. */
export async function takePicture(page: Page, name: string, look: Look): Promise<void> {
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}-${look}.png`), fullPage: true, animations: 'disabled' })
}
