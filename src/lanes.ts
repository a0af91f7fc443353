// Lanes: work of which so much is done at once as a Worker may wait for.

/** A Worker may wait for six answers at once, and one is the tick's that runs beside. */
const LANES = 5

/** Each lane takes the next item when it is through with its last; `work` must not throw. */
export async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  async function runLane(): Promise<void> {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: LANES }, runLane))
}
