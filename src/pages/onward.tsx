// On to another site after a form: a page between, because browsers hold a form's redirects to `form-action`, and nobody
// knows where those of another site lead.

import type { JSX } from 'hono/jsx/jsx-runtime'

import type { Config } from '../config/config.ts'
import { answerPage } from './layout.tsx'

/** A page that goes on by itself, and has a link for whoever it does not. The URL is of a provider that was configured. */
export function answerOnward({ issuerHost }: Config, url: string, cookies: readonly string[]): Promise<Response> {
  const page = { heading: 'One moment', site: issuerHost, onward: url, content: <Content url={url} /> }
  return answerPage(page, { cookies, formOrigins: null })
}

function Content({ url }: { readonly url: string }): JSX.Element {
  const { host } = new URL(url)
  return (
    <p>
      You are on the way to <a href={url}>{host}</a>.
    </p>
  )
}
