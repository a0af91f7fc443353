// Points in time as the operator writes them: a day, or RFC 3339.

/** Unix seconds of a day's beginning in UTC or of an RFC 3339 time, or `null` where the text is neither. */
export function parseInstant(text: string): number | null {
  const [, day, time] = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))?$/i.exec(text) ?? []
  if (day === undefined || !isDay(day)) return null
  const milliseconds = Date.parse(`${day}${time?.toUpperCase() ?? 'T00:00:00Z'}`)
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000)
}

/** False for the 30th of February, which `Date` would read as a day in March. */
function isDay(day: string): boolean {
  const milliseconds = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(day)
}
