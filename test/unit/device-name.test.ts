// What devices are called on the account page.
import { describe, expect, it } from 'vitest'

import { deviceName } from '../../src/pages/device-name.ts'

const MOZILLA = 'Mozilla/5.0'
const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'

describe('a device is called', () => {
  it.each<[string, string | null]>([
    ['Firefox on Windows', `${MOZILLA} (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0`],
    ['Chrome on Linux', `${MOZILLA} (X11; Linux x86_64) ${WEBKIT} Chrome/130.0.0.0 Safari/537.36`],
    ['Edge on Windows', `${MOZILLA} (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/130.0.0.0 Safari/537.36 Edg/130.0`],
    ['Opera on macOS', `${MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Chrome/130.0 Safari/537.36 OPR/115.0`],
    [
      'Safari on macOS',
      `${MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 (KHTML) Version/17.5 Safari/605.1`,
    ],
    [
      'Safari on iPhone',
      `${MOZILLA} (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1`,
    ],
    ['Chrome on Android', `${MOZILLA} (Linux; Android 14; Pixel 8) ${WEBKIT} Chrome/130.0.0.0 Mobile Safari/537.36`],
    ['Chrome on ChromeOS', `${MOZILLA} (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/130.0.0.0 Safari/537.36`],
    ['Chrome on Linux', `${MOZILLA} (X11; Linux x86_64) ${WEBKIT} HeadlessChrome/130.0.0.0 Safari/537.36`],
    ['curl', 'curl/8.10.1'],
    ['okhttp', 'okhttp/4.12.0'],
    ['Linux', 'Linux something'],
    ['x'.repeat(40), 'x'.repeat(256)],
    ['Unknown device', ''],
    ['Unknown device', '/'],
    ['Unknown device', null],
  ])('%s', (name, userAgent) => {
    expect(deviceName(userAgent)).toBe(name)
  })
})
