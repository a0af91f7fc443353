// What a server of the bench has counted, for whoever asks on a port of its own.

import { createServer } from 'node:http'

import { listen } from './listen.ts'

export function showCounts(counts: Readonly<Record<string, number>>): void {
  listen(
    createServer((_, response) => response.end(JSON.stringify(counts))),
    'counts',
  )
}
