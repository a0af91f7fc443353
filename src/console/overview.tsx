// The first page of the console.

import type { Visit } from './frame.tsx'
import { answerFramed } from './frame.tsx'

/** `GET /`. */
export function showOverview(visit: Visit): Promise<Response> {
  const content = <p>Signed in as {visit.administrator}.</p>
  return answerFramed(visit, { heading: 'Overview', place: 'Overview', content })
}
