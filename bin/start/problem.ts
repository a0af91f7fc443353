// What keeps `npm start` from starting, in words for the person at the terminal.

export class Problem extends Error {
  /** What the gateway itself had to say, if anything. */
  readonly output: string

  constructor(message: string, output = '') {
    super(message)
    this.name = 'Problem'
    this.output = output
  }
}
