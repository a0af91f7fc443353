// How the console looks beyond what all pages have: room for tables and figures.

export const CONSOLE_STYLE = `
.places { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center; justify-content: space-between; max-width: 64rem; margin: 0 auto 1.25rem; }
.places nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
.places a { padding: 0.5rem 0; color: var(--text); text-decoration: none; border-bottom: 3px solid transparent; }
.places a:hover { border-color: var(--edge); }
.places a[aria-current] { font-weight: 650; border-color: var(--accent); }
.places button { min-height: 2.25rem; padding: 0.25rem 0.875rem; }
body { padding-top: 1.5rem; }
main.wide { max-width: 64rem; }
.search { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: end; margin: 1rem 0 1.5rem; }
.search > div { flex: 1 1 12rem; }
.search input { margin: 0; }
/* What is unseen in it is placed in it, and scrolls with it. */
.scroll { position: relative; overflow-x: auto; overflow-wrap: normal; }
table { width: 100%; border-collapse: collapse; font-size: 0.9375rem; }
th, td { padding: 0.5rem 1rem 0.5rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--quiet); white-space: nowrap; }
td time { white-space: nowrap; }
.deeds a[aria-current] { color: var(--text); font-weight: 650; text-decoration: none; }
.deeds { display: flex; flex-wrap: wrap; gap: 0.75rem; margin-top: 1rem; }
.alarm, .alarm:hover { color: var(--alarm); border-color: var(--alarm); background: transparent; }
figure { margin: 1.25rem 0; }
figcaption { margin-bottom: 0.25rem; }
figcaption strong { font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; background: var(--ground); border-radius: 0.375rem; }
svg rect { fill: var(--accent); }
.ends { display: flex; justify-content: space-between; gap: 1rem; margin: 0.25rem 0 0; font-size: 0.8125rem; color: var(--quiet); }
.ends time:last-child { text-align: right; }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 0 1.5rem; }
details { margin: 0.75rem 0; }
summary { cursor: pointer; color: var(--accent); padding: 0.25rem 0; }
@media (max-width: 30rem) {
  body { padding: 0; }
  .places { margin: 0; padding: 0.75rem 1.25rem; border-bottom: 1px solid var(--line); }
  .places button { width: auto; }
}
@media (forced-colors: active) {
  svg rect { fill: CanvasText; }
}
`
