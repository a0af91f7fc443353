import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'

import { checkConfiguration } from '../../bin/check/report.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

function blocks(language: string): readonly string[] {
  const found = readme.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, 'gm'))
  return [...found].map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
}

describe('the README', () => {
  it('has a production file that is good as it stands', () => {
    const file = blocks('toml').find((text) => text.startsWith('name ='))
    const checked = checkConfiguration({
      name: 'wrangler.production.toml',
      toml: parse(file ?? ''),
      secrets: null,
      now: 0,
    })
    expect(checked.exitCode).toBe(0)
    expect(checked.text).toContain('observe')
  })

  it('has a route that is good as it stands', () => {
    const route = blocks('toml').find((text) => text.startsWith('[[vars.ROUTES]]')) ?? ''
    const shipped = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8').replaceAll(/\[\[vars\.ROUTES\]\][^]*/g, '')
    const checked = checkConfiguration({ name: 'x', toml: parse(`${shipped}\n${route}`), secrets: null, now: 0 })
    expect([checked.exitCode, checked.text]).toEqual([0, expect.stringContaining('/orders/*')])
  })

  it('shows the Express upstream as the tested file has it', () => {
    const [code = ''] = blocks('js')
    expect(readFileSync(join(ROOT, 'examples', 'express-upstream.mjs'), 'utf8')).toContain(code.trim())
  })

  it('names no page and no command that is not there', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => path)
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const commands = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
    expect(links.map((path) => readFileSync(join(ROOT, path), 'utf8').length > 0)).not.toContain(false)
    expect(commands.filter((name) => !(name in scripts))).toEqual([])
  })
})
