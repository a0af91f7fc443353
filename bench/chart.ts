// The report as a picture: a bar each, as long as its CPU is times the plainest pass-through's, with its spread.

import type { Report, Result } from './report.ts'
import type { Spread } from './statistics.ts'

/** SVG that suits a light page and a dark one. Shows those only that have a ratio. */
export function chartOf({ results }: Report): string {
  const bars = results.flatMap(({ title, group, ratio }) => (ratio === null ? [] : [{ title, group, ratio }]))
  const bottom = TOP + bars.length * ROW
  const height = bottom + 34
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
<title id="title">${TITLE}</title>
<style>${STYLE}</style>
<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>
<text class="heading" x="${MARGIN}" y="26">${TITLE}</text>
${ticks(bottom)}
${bars.map((bar, at) => row(bar, TOP + at * ROW)).join('\n')}
<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${TOP - 4}" y2="${bottom}"/>
</svg>
`
}

const TITLE = 'CPU of a request, × a plain Hono proxy() (less is better)'

/** Pixels. */
const WIDTH = 840
const MARGIN = 16
const TOP = 44
const ROW = 24
const BAR = 14
const AXIS = 330
const AXIS_END = 720

/** Longer bars are cut here, and say so. */
const LONGEST = 3

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.heading { font-weight: 600; font-size: 15px }
.tick { fill: #59636e; font-size: 11px; text-anchor: middle }
.title { text-anchor: end }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.one { stroke: #1f2328; stroke-dasharray: 3 3 }
.spread { stroke: #1f2328; fill: none }
.pass-through { fill: #9198a1 }
.gatehouse { fill: #2f81f7 }
.alternative { fill: #d4a72c }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .tick { fill: #9198a1 }
  .page { fill: #0d1117 }
  .grid { stroke: #3d444d }
  .one, .spread { stroke: #f0f6fc }
  .alternative { fill: #9e7a14 }
  .pass-through { fill: #656c76 }
}
`

function ticks(bottom: number): string {
  return [0, 0.5, 1, 1.5, 2, 2.5, 3]
    .map(
      (value) =>
        `<line class="grid" x1="${x(value)}" x2="${x(value)}" y1="${TOP - 4}" y2="${bottom}"/>` +
        `<text class="tick" x="${x(value)}" y="${bottom + 16}">${value} ×</text>`,
    )
    .join('\n')
}

function row({ title, group, ratio }: Pick<Result, 'title' | 'group'> & { readonly ratio: Spread }, y: number): string {
  const middle = y + BAR / 2
  const end = Math.max(x(ratio.median), x(ratio.highest))
  const more = ratio.median > LONGEST ? ' →' : ''
  return [
    `<text class="title" x="${AXIS - 10}" y="${middle + 5}">${escape(title)}</text>`,
    `<rect class="${group}" x="${AXIS}" y="${y}" width="${round(x(ratio.median) - AXIS)}" height="${BAR}" rx="2"/>`,
    `<path class="spread" d="${whiskers(ratio, middle)}"/>`,
    `<text x="${round(end + 8)}" y="${middle + 5}">${ratio.median.toFixed(2)}${more}</text>`,
  ].join('')
}

function whiskers({ lowest, highest }: Spread, middle: number): string {
  const [from, to] = [x(lowest), x(highest)]
  return `M${from} ${middle - 4}v8m0 -4H${to}m0 -4v8`
}

function x(ratio: number): number {
  return round(AXIS + ((AXIS_END - AXIS) * Math.min(ratio, LONGEST)) / LONGEST)
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10
}

/** Without the marks of Markdown. */
function escape(title: string): string {
  return title.replaceAll('`', '').replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
