// Ids of users that are the gateway's to give.

/** True for ids of the kinds that the gateway makes itself; no other id may be of these kinds. */
export function isReservedId(id: string): boolean {
  return /^(?:usr|cli|key)_/.test(id)
}

/** True for an id that a careless reader may take for a reserved one: its prefix in any case. */
export function resemblesReservedId(id: string): boolean {
  return isReservedId(id.toLowerCase())
}
