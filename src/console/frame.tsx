// What every page of the console has around it: the way to the others, and the way out.

import type { Child } from 'hono/jsx'
import type { JSX } from 'hono/jsx/jsx-runtime'

import { answerPage } from '../pages/layout.tsx'
import type { Exchange } from '../runtime.ts'
import type { SessionState } from '../sessions/store.ts'
import { CONSOLE_STYLE } from './style.ts'

/** A request of an administrator. */
export interface Visit extends Exchange {
  /** The id of who asks. */
  readonly administrator: string
  readonly session: SessionState
  readonly cookies: readonly string[]
  /** What the path names, decoded; empty where it names nothing. */
  readonly segment: string
}

interface Framed {
  readonly heading: string
  /** Which of the places the page is in. */
  readonly place: Place
  readonly content: Child
  readonly status?: number
}

type Place = 'Overview' | 'Users' | 'Audit trail'

const PLACES: readonly (readonly [Place, string])[] = [
  ['Overview', '/'],
  ['Users', '/users'],
  ['Audit trail', '/audit'],
]

export function answerFramed(
  { runtime, cookies }: Visit,
  { heading, place, content, status }: Framed,
): Promise<Response> {
  const page = { heading, site: runtime.config.console?.host ?? null, wide: true, content }
  return answerPage(
    { ...page, header: <Header place={place} />, style: CONSOLE_STYLE },
    {
      cookies,
      formOrigins: [],
      ...(status !== undefined && { status }),
    },
  )
}

function Header({ place }: { readonly place: Place }): JSX.Element {
  return (
    <header class="places">
      <nav aria-label="Console">
        {PLACES.map(([name, path]) => (
          <a href={path} {...(name === place && { 'aria-current': 'page' })}>
            {name}
          </a>
        ))}
      </nav>
      <form method="post" action="/sign-out">
        <button class="plain">Sign out</button>
      </form>
    </header>
  )
}

interface SearchProps {
  readonly name: string
  readonly label: string
  readonly value: string
}

/** A text to look for, which may stay empty. */
export function SearchField({ name, label, value }: SearchProps): JSX.Element {
  return (
    <div>
      <label for={name}>{label}</label>
      <input
        id={name}
        name={name}
        type="text"
        value={value}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
      />
    </div>
  )
}

/** A table that scrolls by itself where it is wider than the screen, by keys too. */
export function Table({ label, heads, children }: TableProps): JSX.Element {
  return (
    <div class="scroll" role="region" aria-label={label} tabindex={0}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th scope="col">{head}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

interface TableProps {
  readonly label: string
  readonly heads: readonly string[]
  readonly children: Child
}

/** A moment, in UTC: the server does not know where the reader is. */
export function Time({ at }: { readonly at: number }): JSX.Element {
  return <time datetime={new Date(at * 1000).toISOString()}>{`${MOMENT.format(at * 1000)} UTC`}</time>
}

const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })

/** A path with what of its query is not empty. */
export function pathWith(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString()
  return text === '' ? path : `${path}?${text}`
}
