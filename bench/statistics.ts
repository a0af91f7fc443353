// Medians, and how far what was measured lies apart.

export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** Of one value a round. @throws RangeError for no values */
export function spreadOf(rounds: readonly number[]): Spread {
  return { median: medianOf(rounds), lowest: Math.min(...rounds), highest: Math.max(...rounds) }
}

/** `NaN` for no values. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** @throws RangeError for no values */
export function medianOf(values: readonly number[]): number {
  return quantile(
    values.toSorted((one, other) => one - other),
    0.5,
  )
}

/** Of values that are sorted; between two of them in proportion. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError('nothing was measured')
  const place = (sorted.length - 1) * share
  const [below, above] = [at(sorted, Math.floor(place)), at(sorted, Math.ceil(place))]
  return below + (above - below) * (place - Math.floor(place))
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? Number.NaN
}
