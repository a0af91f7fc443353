// What a browser sends when it shows a page, and what a reader finds in it.

import type { Element } from './html.ts'
import { parseHtml } from './html.ts'
import type { World } from './world.ts'
import { ISSUER } from './world.ts'

/** Headers of an address that was typed or a link that was followed. */
export const NAVIGATION = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'none',
}

/** Headers of a form of our own that was sent. */
export const OWN_FORM = { ...NAVIGATION, 'Sec-Fetch-Site': 'same-origin', Origin: ISSUER }

export const visit = (world: World, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  world.send(path, { headers: { ...NAVIGATION, ...headers } })

export const submit = (
  world: World,
  path: string,
  members: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> =>
  world.send(path, { method: 'POST', body: new URLSearchParams(members), headers: { ...OWN_FORM, ...headers } })

export interface Shown {
  readonly html: string
  readonly elements: readonly Element[]
  /** The text of all that is in the body. */
  readonly text: string
  readonly find: (name: string, attribute?: string, value?: string) => Element | undefined
  /** What a form sends that nobody sees, by name. */
  readonly carried: Readonly<Record<string, string>>
}

/** Reads a page. @throws Error where it is none, or not well-formed */
export async function read(response: Response): Promise<Shown> {
  if (response.headers.get('Content-Type') !== 'text/html; charset=utf-8') throw new Error('no page')
  const html = await response.text()
  const elements = parseHtml(html)
  const hidden = elements.filter(({ attributes }) => attributes['type'] === 'hidden')
  return {
    html,
    elements,
    text: elements.find(({ name }) => name === 'body')?.text ?? '',
    find: (name, attribute = 'id', value) =>
      elements.find((each) => each.name === name && (value === undefined || each.attributes[attribute] === value)),
    carried: Object.fromEntries(hidden.map(({ attributes }) => [attributes['name'] ?? '', attributes['value'] ?? ''])),
  }
}
