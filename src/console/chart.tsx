// A figure over time, as bars and as a table beside them.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { Table, Time } from './frame.tsx'

/** A number for each span of time, the earliest first; `null` where it is not known. */
export type Series = readonly (number | null)[]

export interface Line {
  readonly name: string
  readonly series: Series
  /** What its whole is in words. */
  readonly summary: string
}

const WIDTH = 600
const HEIGHT = 100
/** Between two bars. */
const GAP = 1

/** Bars from the first span to the last; who cannot see them has the caption, and `FigureTable`. */
export function Chart({ name, series, summary, starts }: Line & { readonly starts: readonly number[] }): JSX.Element {
  const most = Math.max(1, ...series.map((count) => count ?? 0))
  const width = WIDTH / series.length
  return (
    <figure>
      <figcaption>
        {name}: <strong>{summary}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" focusable="false">
        {series.map((count, at) => {
          const height = count === null ? 0 : (HEIGHT * count) / most
          if (height === 0) return null
          const [x, y] = [at * width, HEIGHT - height].map(inShort)
          return <rect x={x} y={y} width={inShort(width - GAP)} height={inShort(height)} />
        })}
      </svg>
      <p class="ends">
        <Time at={starts[0] ?? 0} />
        <Time at={starts.at(-1) ?? 0} />
      </p>
    </figure>
  )
}

function inShort(length: number): string {
  return String(Math.round(length * 100) / 100)
}

interface FigureTableProps {
  readonly label: string
  /** Where the spans begin, in unix seconds. */
  readonly starts: readonly number[]
  readonly lines: readonly Line[]
}

/** The same numbers, a row for each span, the latest first. */
export function FigureTable({ label, starts, lines }: FigureTableProps): JSX.Element {
  const rows = starts
    .map((start, at) => ({ start, counts: lines.map(({ series }) => series[at] ?? null) }))
    .toReversed()
  return (
    <details>
      <summary>{label} as a table</summary>
      <Table {...{ label, heads: ['From', ...lines.map(({ name }) => name)] }}>
        {rows.map(({ start, counts }) => (
          <tr>
            <td>
              <Time at={start} />
            </td>
            {counts.map((count) => (
              <td>{count ?? 'unknown'}</td>
            ))}
          </tr>
        ))}
      </Table>
    </details>
  )
}
