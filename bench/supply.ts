// What contestants are asked with: for each request the headers that carry its credential.

/** Names and values in turn, as they go on the wire. */
export type HeaderList = readonly string[]

/** For so many requests. */
export type Supply = (requests: number) => Promise<readonly HeaderList[]>

type Mint = (count: number) => Promise<readonly string[]>

/** The same few tokens again and again: far fewer than a memory of tokens holds, and more than there are connections. */
export async function seenAgain(mint: Mint, headersOf: (token: string) => HeaderList): Promise<Supply> {
  return inTurn((await mint(64)).map(headersOf))
}

/** Each token once, so that no memory holds one when it comes. */
export function neverSeen(mint: Mint, headersOf: (token: string) => HeaderList): Supply {
  return async (requests) => (await mint(requests)).map(headersOf)
}

export function inTurn(few: readonly HeaderList[]): Supply {
  return async (requests) => Array.from({ length: requests }, (_, at) => few[at % few.length] ?? nothing)
}

export function bearer(token: string): HeaderList {
  return ['Authorization', `Bearer ${token}`]
}

export function cookie(pairs: string): HeaderList {
  return ['Cookie', pairs]
}

export const nothing: HeaderList = []
