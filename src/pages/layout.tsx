// What all pages have in common: the document around them, and the answer that carries it.

import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { JSX } from 'hono/jsx/jsx-runtime'

import { randomText } from '../crypto.ts'
import { VARY_ON_NAVIGATION } from '../navigation.ts'
import { STYLE } from './style.ts'

export interface Page {
  /** The only `h1`, and the beginning of the document's title. */
  readonly heading: string
  /** Whose page it is, as people know it; `null` where that could not be read. */
  readonly site: string | null
  /** True where what was sent has to be mended: screen readers begin with the title. */
  readonly isMending?: boolean
  readonly wide?: boolean
  /** What stands before it. */
  readonly header?: Child
  /** Rules of its own, after everybody's. */
  readonly style?: string
  /** Where the page goes on to by itself (HTML §4.2.5.3). */
  readonly onward?: string
  readonly content: Child
}

export interface PageAnswer {
  readonly status?: number
  /** What the answer says besides; page headers win. */
  readonly headers?: Headers
  readonly cookies?: readonly string[]
  /** Origins that its forms, and the redirects that answer them, may lead to besides our own; `null` where it has no form. */
  readonly formOrigins: readonly string[] | null
}

/** A page as an answer that nobody stores, frames or adds code to. */
export async function answerPage(page: Page, answer: PageAnswer): Promise<Response> {
  const nonce = randomText(16)
  const headers = new Headers(answer.headers)
  for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value)
  headers.set('Content-Security-Policy', contentPolicy(nonce, answer.formOrigins))
  for (const cookie of answer.cookies ?? []) headers.append('Set-Cookie', cookie)
  const html = await document(page, nonce)
  return new Response(`<!doctype html>${html}`, { status: answer.status ?? 200, headers })
}

/** Without a Referer to other sites, but with an Origin to our own: `no-referrer` would make that `null` (Fetch §3.1). */
const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  Vary: VARY_ON_NAVIGATION,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

/** CSP Level 3. Browsers hold the redirects that answer a form to `form-action` too. */
function contentPolicy(nonce: string, formOrigins: readonly string[] | null): string {
  return [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `form-action ${formOrigins === null ? "'none'" : ["'self'", ...formOrigins].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function document(
  { heading, site, isMending = false, wide = false, header, style = '', onward, content }: Page,
  nonce: string,
): JSX.Element {
  const title = [`${isMending ? 'Error: ' : ''}${heading}`, ...(site === null ? [] : [site])].join(' · ')
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        {onward !== undefined && <meta http-equiv="refresh" content={`0; url=${onward}`} />}
        <title>{title}</title>
        <style nonce={nonce}>{raw(STYLE + style)}</style>
      </head>
      <body>
        {header}
        <main {...(wide && { class: 'wide' })}>
          {site !== null && <p class="site">{site}</p>}
          <h1>{heading}</h1>
          {content}
        </main>
      </body>
    </html>
  )
}
