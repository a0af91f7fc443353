// The picture over time: sign-ins, active sessions, and denials by code.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { runBatch } from '../database.ts'
import type { Figure } from '../figures/store.ts'
import { DENIALS, parseFigure, selectFigures } from '../figures/store.ts'
import { queryOf } from '../pages/places.ts'
import type { Line } from './chart.tsx'
import { Chart, FigureTable } from './chart.tsx'
import type { Visit } from './frame.tsx'
import { answerFramed, pathWith } from './frame.tsx'

/** How far back, and in spans of what length, in seconds. */
interface Range {
  readonly key: string
  readonly name: string
  readonly span: number
  readonly spans: number
  readonly each: string
}

const HOUR = 3600
const DAY: Range = { key: 'day', name: '24 hours', span: HOUR, spans: 24, each: 'an hour' }
const RANGES: readonly Range[] = [
  DAY,
  { key: 'week', name: '7 days', span: 6 * HOUR, spans: 28, each: 'six hours' },
  { key: 'quarter', name: '90 days', span: 24 * HOUR, spans: 90, each: 'a day' },
]

/** `GET /`; `range` is `day`, `week` or `quarter`. */
export async function showOverview(visit: Visit): Promise<Response> {
  const { db, now } = visit.runtime
  const asked = queryOf(visit.head.url).get('range')
  const range = RANGES.find(({ key }) => key === asked) ?? DAY
  const last = Math.floor(now() / range.span) * range.span
  const starts = Array.from({ length: range.spans }, (_, at) => last - (range.spans - 1 - at) * range.span)
  const [rows = []] = await runBatch(db, [selectFigures(db, starts[0] ?? last, range.span)])
  const content = <Content {...{ range, starts, figures: rows.map(parseFigure) }} />
  return answerFramed(visit, { heading: 'Overview', place: 'Overview', content })
}

interface Shown {
  readonly range: Range
  readonly starts: readonly number[]
  readonly figures: readonly Figure[]
}

function Content({ range, starts, figures }: Shown): JSX.Element {
  const signIns = sumOf('Sign-ins', 'sign_ins', { range, starts, figures })
  const sessions = sessionsOf({ range, starts, figures })
  const codes = [...new Set(figures.map(({ figure }) => figure))]
    .filter((figure) => figure.startsWith(DENIALS))
    .toSorted()
  const denials = codes.map((figure) => sumOf(figure.slice(DENIALS.length), figure, { range, starts, figures }))
  return (
    <>
      <Ranges range={range} />
      <p class="quiet">A bar is {range.each}, and the last is not over yet.</p>
      <h2>Sign-ins</h2>
      <Chart {...{ ...signIns, starts }} />
      <FigureTable {...{ label: 'Sign-ins', starts, lines: [signIns] }} />
      <h2>Active sessions</h2>
      <Chart {...{ ...sessions, starts }} />
      <FigureTable {...{ label: 'Active sessions', starts, lines: [sessions] }} />
      <p class="quiet">
        Sessions that were seen within an hour, counted when it was over; of more than 20,000 sessions an estimate. An
        hour in which the cron did not run is unknown.
      </p>
      <h2>Denials by code</h2>
      {denials.length === 0 ? (
        <p>Nothing was denied.</p>
      ) : (
        <>
          <div class="small">
            {denials.map((line) => (
              <Chart {...{ ...line, starts }} />
            ))}
          </div>
          <FigureTable {...{ label: 'Denials by code', starts, lines: denials }} />
        </>
      )}
      <p class="quiet">
        Each part of the gateway that runs somewhere counts by itself and adds its count here once a minute, when the
        next request comes. One that is stopped takes what it has counted since with it. The log has every denial.
      </p>
    </>
  )
}

function Ranges({ range }: Pick<Shown, 'range'>): JSX.Element {
  return (
    <nav class="deeds" aria-label="How far back">
      {RANGES.map(({ key, name }) => (
        <a href={pathWith('/', { range: key })} {...(key === range.key && { 'aria-current': 'true' })}>
          {name}
        </a>
      ))}
    </nav>
  )
}

/** Nothing was counted where there is no number. */
function sumOf(name: string, figure: string, { range, starts, figures }: Shown): Line {
  const counts = countsOf(figure, figures)
  const series = starts.map((start) => counts.get(start) ?? 0)
  const sum = series.reduce((before, count) => before + count, 0)
  return { name, series, summary: `${sum} in all, at most ${Math.max(...series)} in ${range.each}` }
}

/** Nothing is known where there is no number. */
function sessionsOf({ starts, figures }: Shown): Line {
  const counts = countsOf('sessions', figures)
  const series = starts.map((start) => counts.get(start) ?? null)
  const known = series.filter((count) => count !== null)
  const summary = known.length === 0 ? 'not known yet' : `at most ${Math.max(...known)} in an hour`
  return { name: 'Active sessions', series, summary }
}

function countsOf(figure: string, figures: readonly Figure[]): ReadonlyMap<number, number> {
  return new Map(figures.filter((each) => each.figure === figure).map(({ start, count }) => [start, count]))
}
