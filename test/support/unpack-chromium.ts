// Unpacks Chromium into TMPDIR: @sparticuz/chromium knows no other place, so this is run in a process of its own.
import chromium from '@sparticuz/chromium'

await chromium.executablePath()
