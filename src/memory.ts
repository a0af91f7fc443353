// What an isolate remembers, found by a text and bounded: whoever reads it looks at what has changed since.

export interface Memory<T> {
  readonly find: (text: string) => T | null
  readonly remember: (text: string, value: T) => void
}

/**
 * Two generations, each of half the bounds (entries, and characters of the texts): the young one, when it is full, becomes
 * the old one, which is forgotten as a whole. What is found in the old one is young again. To forget one entry at a time
 * takes some thirty times as long.
 */
export function createMemory<T>(maxEntries: number, maxCharacters: number): Memory<T> {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  let characters = 0

  function remember(text: string, value: T): void {
    if (!young.has(text)) {
      if (young.size >= maxEntries / 2 || characters + text.length > maxCharacters / 2) {
        old = young
        young = new Map()
        characters = 0
      }
      characters += text.length
    }
    young.set(text, value)
  }

  return {
    find: (text) => {
      const known = young.get(text)
      if (known !== undefined) return known
      const older = old.get(text)
      if (older === undefined) return null
      remember(text, older)
      return older
    },
    remember,
  }
}
