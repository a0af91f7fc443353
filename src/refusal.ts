// A denial becomes its answer, in the form that the request can use: a page for people, problem+json for programs.

import type { Config } from './config/config.ts'
import type { Denial } from './denial.ts'
import { denialResponse } from './denial.ts'
import { isNavigation } from './navigation.ts'
import type { RequestHead } from './request-head.ts'

export interface Refused {
  readonly request: RequestHead
  readonly requestId: string
  /** `null` where it could not be read. */
  readonly config: Config | null
  /** True where pages send whoever is not signed in to the sign-in page. */
  readonly signsIn: boolean
}

/** Decides by the request alone, once it has been refused. Does NOT log; the boundary does. */
export async function refuse(refused: Refused, denial: Denial): Promise<Response> {
  if (!isNavigation(refused.request)) return denialResponse(denial, refused.requestId)
  const { answerRefusedPage } = await import('./pages/refused.ts')
  return answerRefusedPage(refused, denial)
}
