// Which known name somebody may have meant.

/** The known name that a typo is nearest to, or `null` where none is near. Case does not count. */
export function findNearest(name: string, known: readonly string[]): string | null {
  const near = known
    .map((candidate) => ({ candidate, distance: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter((each) => each.distance <= Math.max(1, Math.min(3, Math.floor(each.candidate.length / 3))))
  return near.toSorted((left, right) => left.distance - right.distance)[0]?.candidate ?? null
}

/** Levenshtein's distance, row by row; a name much longer than any of ours is simply far. */
function distance(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > 3) return Infinity
  const first = Array.from({ length: right.length + 1 }, (_, column) => column)
  const last = Array.from(left).reduce<readonly number[]>((above, character) => nextRow(above, character, right), first)
  return last.at(-1) ?? Infinity
}

function nextRow(above: readonly number[], character: string, right: string): readonly number[] {
  const row = [(above[0] ?? 0) + 1]
  for (const [column, other] of Array.from(right).entries()) {
    const replaced = (above[column] ?? Infinity) + (character === other ? 0 : 1)
    row.push(Math.min(replaced, (above[column + 1] ?? Infinity) + 1, (row[column] ?? Infinity) + 1))
  }
  return row
}
