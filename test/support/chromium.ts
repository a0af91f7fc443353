// Chromium as @sparticuz/chromium ships it, with the libraries and fonts that come along: beside the C library's nothing of the machine is used.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Browser } from 'playwright-core'
import { chromium } from 'playwright-core'

const MODULES = join(import.meta.dirname, '..', '..', 'node_modules')
const UNPACKED_WITHIN_MS = 120_000
const LAUNCHED_WITHIN_MS = 60_000

const FLAGS = [
  // Nobody is called but this machine, whatever a page or the browser itself would like.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1',
  '--no-proxy-server',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
  // Containers, and whoever is root, have no sandbox to give. The pages are our own.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-webgl',
  '--font-render-hinting=none',
]

/** Starts it; the caller closes it. CHROMIUM, a path, puts another in its place: the shipped one runs on Linux on x64 only. */
export async function launchChromium(): Promise<Browser> {
  const own = process.env['CHROMIUM']
  const program = own === undefined ? await shippedChromium() : { executablePath: own }
  return chromium.launch({ ...program, args: FLAGS, timeout: LAUNCHED_WITHIN_MS })
}

interface Program {
  readonly executablePath: string
  readonly env: Readonly<Record<string, string>>
}

async function shippedChromium(): Promise<Program> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      'The Chromium that comes along is for Linux on x64. Name another: CHROMIUM=/path/to/chromium npm test',
    )
  }
  const folder = join(MODULES, '.cache', 'gatehouse', `chromium-${shippedVersion()}`)
  if (!existsSync(folder)) await unpackInto(folder)
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      HOME: folder,
      LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
      FONTCONFIG_FILE: join(folder, 'fonts.conf'),
    },
  }
}

function shippedVersion(): string {
  const file = join(MODULES, '@sparticuz', 'chromium', 'package.json')
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'))
  return version
}

/** Either whole or not at all, however many do it at once. */
async function unpackInto(folder: string): Promise<void> {
  mkdirSync(join(folder, '..'), { recursive: true })
  const part = mkdtempSync(`${folder}-`)
  try {
    const script = join(import.meta.dirname, 'unpack-chromium.ts')
    // The libraries are unpacked for the machine that they were made for only.
    const env = { ...process.env, TMPDIR: part, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' }
    await promisify(execFile)(process.execPath, [script], { env, timeout: UNPACKED_WITHIN_MS })
    writeFileSync(join(part, 'fonts.conf'), fontsIn(folder))
    renameSync(part, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

/** The package's own list names a folder of the machine that it was made for. */
function fontsIn(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts')}</dir>
  <cachedir>${join(folder, 'fonts-cache')}</cachedir>
</fontconfig>
`
}
