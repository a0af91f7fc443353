// The site of an origin, nearly: browsers ask the Public Suffix List, this a few well-known suffixes.

/** Scheme and registrable domain: the last two labels, or three where the last two are a suffix. */
export function siteOf(origin: string): string {
  const url = new URL(origin)
  const labels = url.hostname.split('.')
  const isAddress = /^[\d.]+$|^\[/.test(url.hostname)
  const count = SUFFIXES.has(labels.slice(-2).join('.')) ? 3 : 2
  return `${url.protocol}//${isAddress ? url.hostname : labels.slice(-count).join('.')}`
}

/** Under these, each name is a site of its own. */
const SUFFIXES = new Set(
  (
    'co.uk org.uk ac.uk gov.uk com.au net.au org.au co.nz co.za co.in co.il co.jp or.jp ne.jp co.kr com.br com.mx ' +
    'com.ar com.co com.tr com.cn com.tw com.hk com.sg workers.dev pages.dev github.io gitlab.io vercel.app netlify.app ' +
    'web.app fly.dev onrender.com'
  ).split(' '),
)
