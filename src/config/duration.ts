// Durations as the operator writes them: "30s", "15m", "1h", "14d".

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of a duration, or `null` where the text is none. */
export function parseDuration(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count === undefined || unit === undefined) return null
  return Number(count) * (SECONDS[unit] ?? 0)
}

/** The shortest text of a duration in seconds: `900` is "15m". */
export function formatDuration(seconds: number): string {
  const [unit, size] = Object.entries(SECONDS).findLast(([, each]) => seconds % each === 0 && seconds >= each) ?? [
    's',
    1,
  ]
  return `${seconds / size}${unit}`
}
