// Proof that a contestant does what it is measured for: who verifies must refuse what is damaged, and what is missing.

import { serve } from './load.ts'
import type { Entrant } from './rounds.ts'
import type { HeaderList } from './supply.ts'
import { nothing } from './supply.ts'

/** @throws Error where a contestant lets through what it should refuse */
export async function proveRefusals({ contestant, connections, supply }: Entrant): Promise<void> {
  if (contestant.isLenient) return
  const [good = nothing] = await supply(1)
  await serve(connections, { ...contestant, status: 401, credentials: [nothing, damaged(good)] })
}

/** With another character where a signature, or a mac, is near its end. */
export function damaged(headers: HeaderList): HeaderList {
  return headers.map((text, at) => {
    if (at % 2 === 0) return text
    const place = text.length - 10
    return text.slice(0, place) + (text[place] === 'A' ? 'B' : 'A') + text.slice(place + 1)
  })
}
