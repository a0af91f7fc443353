// `npm start`: installs what is missing, then goes on in start/main.ts, on the Node that came with it.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { environment, install, node } from './install.mjs'

install()

const main = fileURLToPath(new URL('start/main.ts', import.meta.url))
const child = spawn(node, [main, ...process.argv.slice(2)], {
  env: environment,
  // Over the channel the child learns that this process is gone, whatever ended it.
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
