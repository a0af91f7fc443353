// What will happen when: tasks of the simulated world, run in the order of their time.

export type Task = (atMs: number) => void

export interface Agenda {
  readonly add: (atMs: number, task: Task) => void
  /** Runs everything that is due at `atMs` or before, what the tasks add included. */
  readonly runUntil: (atMs: number) => void
}

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly task: Task
}

export function createAgenda(): Agenda {
  const heap: Entry[] = []
  let added = 0

  function add(atMs: number, task: Task): void {
    added += 1
    heap.push({ atMs, order: added, task })
    siftUp(heap)
  }

  return {
    add,
    runUntil: (atMs) => {
      for (let first = heap[0]; first !== undefined && first.atMs <= atMs; first = heap[0]) {
        removeFirst(heap)
        first.task(first.atMs)
      }
    },
  }
}

function isBefore(one: Entry | undefined, other: Entry | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}

function swap(heap: Entry[], one: number, other: number): void {
  const [first, second] = [heap[one], heap[other]]
  if (first === undefined || second === undefined) return
  heap[one] = second
  heap[other] = first
}

function siftUp(heap: Entry[]): void {
  for (let child = heap.length - 1, parent = (child - 1) >> 1; isBefore(heap[child], heap[parent]);) {
    swap(heap, child, parent)
    child = parent
    parent = (child - 1) >> 1
  }
}

function removeFirst(heap: Entry[]): void {
  swap(heap, 0, heap.length - 1)
  heap.pop()
  for (let parent = 0, child = 1; child < heap.length; child = 2 * parent + 1) {
    if (isBefore(heap[child + 1], heap[child])) child += 1
    if (!isBefore(heap[child], heap[parent])) return
    swap(heap, child, parent)
    parent = child
  }
}
