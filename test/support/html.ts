// HTML as our pages write it, read strictly: what a browser would have to mend is an error.

export interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** All text inside, as a reader has it. */
  readonly text: string
}

interface Open {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  text: string
}

const VOID = new Set(['meta', 'input', 'br', 'hr', 'img', 'link'])
const TOKEN = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z0-9-]+="[^"<>]*")*)\s*(\/?)>|([^<>]+)/gy
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/** Every element of a document. @throws Error where tags do not nest, or something stands where it must not */
export function parseHtml(html: string): readonly Element[] {
  const doctype = '<!doctype html>'
  if (!html.startsWith(doctype)) throw new Error('no doctype')
  const [style = ''] = /<style[^>]*>[^<]*<\/style>/.exec(html) ?? []
  const rest = html.slice(doctype.length).replace(style, style.replaceAll(/(?<=>)[^]*(?=<)/g, ''))
  const open: Open[] = []
  const closed: Open[] = []
  let at = 0
  for (const token of rest.matchAll(TOKEN)) {
    at += token[0].length
    const [, slash = '', name, attributes = '', selfClosing = '', text] = token
    if (text !== undefined) for (const element of open) element.text += decode(text)
    if (name === undefined) continue
    if (slash === '/') {
      const last = open.pop()
      if (last?.name !== name) throw new Error(`</${name}> closes ${last?.name ?? 'nothing'}`)
      closed.push(last)
      continue
    }
    const element = { name, attributes: parseAttributes(attributes), text: '' }
    if (VOID.has(name) !== (selfClosing === '/')) throw new Error(`<${name}> is not closed as it should be`)
    if (selfClosing === '/') closed.push(element)
    else open.push(element)
  }
  if (at !== rest.length) throw new Error(`cannot be read: ${rest.slice(at, at + 60)}`)
  if (open.length > 0) throw new Error(`${open.map(({ name }) => name).join(', ')} not closed`)
  return closed
}

function parseAttributes(text: string): Readonly<Record<string, string>> {
  const found = [...text.matchAll(/([a-zA-Z0-9-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [
    name,
    decode(value),
  ])
  if (new Set(found.map(([name]) => name)).size < found.length) throw new Error(`an attribute twice: ${text}`)
  return Object.fromEntries(found)
}

function decode(text: string): string {
  return text.replaceAll(/&([a-z]+|#\d+);|&/g, (entity, name: string | undefined) => {
    const character = name === undefined ? undefined : ENTITIES[name]
    if (character === undefined) throw new Error(`not escaped: ${entity}`)
    return character
  })
}

/** What is wrong with a page, beyond its grammar. Links lead to paths of this site, or below `origins`. */
export function pageProblems(
  html: string,
  origins: readonly string[] = ['https://api.example.com'],
): readonly string[] {
  const elements = parseHtml(html)
  const named = (name: string): readonly Element[] => elements.filter((element) => element.name === name)
  const attributes = elements.flatMap((element) => Object.entries(element.attributes))
  const ids = elements.flatMap(({ attributes: { id } }) => id ?? [])
  const labels = new Set(named('label').map((label) => label.attributes['for']))
  const inputs = named('input').filter(({ attributes: { type, hidden } }) => type !== 'hidden' && hidden === undefined)
  const referred = attributes.filter(([name]) => /^(?:for|aria-describedby|aria-labelledby)$/.test(name))
  const places = attributes.filter(([name]) => name === 'href' || name === 'action').map(([, value]) => value)
  return [
    ...(named('h1').length === 1 ? [] : ['not one h1']),
    ...(named('title').every(({ text }) => text.trim() !== '') && named('title').length === 1 ? [] : ['no title']),
    ...(named('html')[0]?.attributes['lang'] === 'en' ? [] : ['no language']),
    ...(named('main').length === 1 ? [] : ['not one main']),
    ...(new Set(ids).size === ids.length ? [] : ['an id twice']),
    ...inputs.filter(({ attributes: { id = '' } }) => !labels.has(id)).map(() => 'an input without a label'),
    ...inputs.filter((input) => input.attributes['autocomplete'] === undefined).map(() => 'no autocomplete'),
    ...referred.flatMap(([, value]) => value.split(' ')).filter((id) => !ids.includes(id)),
    ...named('button')
      .filter(({ text }) => text.trim() === '')
      .map(() => 'a button without a name'),
    ...places.filter((place) => !/^\/(?!\/)/.test(place) && !origins.some((origin) => place.startsWith(`${origin}/`))),
    ...elements
      .filter(({ name }) => ['script', 'iframe', 'object', 'base', 'link', 'img'].includes(name))
      .map(({ name }) => name),
    ...attributes
      .filter(([name, value]) => /^(?:on|style$|src)/.test(name) || /^\s*javascript:/i.test(value))
      .map(([name]) => name),
  ]
}
