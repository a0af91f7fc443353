// Which passwords may be chosen: long enough, and none of those that everybody tries first.

/** In code points. ASVS 6.2.1 asks for 8 or more, ASVS 6.2.9 that 64 be allowed. */
const MIN_LENGTH = 8
const MAX_LENGTH = 256

/** A unit of up to six characters, again and again: `12341234`, `aaaaaaaa`. */
const REPETITION = /^(.{1,6})\1+$/su

/** A password that is part of one of these, forwards or backwards, is a run. */
const RUNS = ['01234567890', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiop', 'asdfghjkl'].flatMap((run) => [
  run,
  run.split('').toReversed().join(''),
])

/** A day written in eight digits, in any order of its parts: a third of the commonest passwords. */
export const DATE = new RegExp(
  ['{day}{month}{year}', '{month}{day}{year}', '{year}{month}{day}']
    .map((order) => `^${order}$`)
    .join('|')
    .replaceAll('{day}', '(?:0[1-9]|[12][0-9]|3[01])')
    .replaceAll('{month}', '(?:0[1-9]|1[0-2])')
    .replaceAll('{year}', '(?:19|20)[0-9]{2}'),
)

/** The list, loaded and split when it is first needed: a fifth of the gateway's bytes, for few of its requests. */
let common: ReadonlySet<string> | null = null

/**
 * What is wrong with a new password, in words that follow "The password"; `null` if nothing is.
 * Asks for no kinds of characters (ASVS 6.2.5). Does NOT judge passwords at sign-in; what is stored there was judged when chosen.
 */
export async function passwordProblem(password: string): Promise<string | null> {
  const length = Array.from(password).length
  if (length < MIN_LENGTH) return `must have at least ${MIN_LENGTH} characters`
  if (length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`
  if (!password.isWellFormed()) return 'must be valid Unicode'
  return (await isCommon(password.toLowerCase())) ? 'is one of the most common passwords' : null
}

/** ASVS 6.2.4. Dates, and the repetitions and runs that the list's source leaves out, are told by their form. */
async function isCommon(password: string): Promise<boolean> {
  if (REPETITION.test(password) || DATE.test(password) || RUNS.some((run) => run.includes(password))) return true
  common ??= await loadCommon()
  return common.has(password)
}

async function loadCommon(): Promise<ReadonlySet<string>> {
  const { COMMON_PASSWORDS } = await import('./common-passwords.ts')
  return new Set(COMMON_PASSWORDS.split(' '))
}
