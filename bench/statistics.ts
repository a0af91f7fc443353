// Medians, and how far what was measured lies apart.

export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** @throws RangeError for no values */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other)
  return { median: quantile(sorted, 0.5), lowest: quantile(sorted, 0), highest: quantile(sorted, 1) }
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
