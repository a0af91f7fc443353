// How the pages look: one stylesheet as text, light and dark, from a telephone's width upwards.

export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f5f4f0;
  --sheet: #fffefb;
  --line: #dcd9d0;
  --edge: #858276;
  --text: #22241f;
  --quiet: #5c5d55;
  --accent: #1c5c49;
  --on-accent: #ffffff;
  --accent-hover: #134536;
  --alarm: #9c2a1c;
  --alarm-ground: #fbeeea;
  --done: #1c5c49;
  --done-ground: #e9f2ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #151714;
    --sheet: #1d201c;
    --line: #343831;
    --edge: #7c8176;
    --text: #ebece6;
    --quiet: #a9ada1;
    --accent: #8fd0b5;
    --on-accent: #10251d;
    --accent-hover: #b0e2cc;
    --alarm: #ffb0a1;
    --alarm-ground: #3a211d;
    --done: #8fd0b5;
    --done-ground: #1e2f27;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { font: 100%/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; min-height: 100vh; padding: clamp(1rem, 8vh, 6rem) 1rem 3rem; background: var(--ground); color: var(--text); }
main { max-width: 27rem; margin: 0 auto; padding: 2rem; background: var(--sheet); border: 1px solid var(--line); border-radius: 0.75rem; overflow-wrap: anywhere; }
main.wide { max-width: 42rem; }
.site { margin: 0 0 1.25rem; color: var(--quiet); font-size: 0.875rem; letter-spacing: 0.01em; }
.site::before { content: ''; display: inline-block; width: 0.625rem; height: 0.625rem; margin-right: 0.5rem; border: 2px solid var(--accent); border-bottom: 0; border-radius: 0.375rem 0.375rem 0 0; }
h1 { margin: 0 0 0.5rem; font-size: 1.625rem; font-weight: 650; line-height: 1.2; letter-spacing: -0.015em; text-wrap: balance; }
h2 { margin: 2.25rem 0 0.5rem; font-size: 1.0625rem; font-weight: 650; line-height: 1.3; }
p { margin: 0 0 1rem; text-wrap: pretty; }
p:last-child { margin-bottom: 0; }
.quiet { color: var(--quiet); }
.notice, .problem { margin: 1.25rem 0; padding: 0.75rem 1rem; border-left: 4px solid var(--done); border-radius: 0.25rem; background: var(--done-ground); }
.problem { border-color: var(--alarm); background: var(--alarm-ground); }
form { margin: 0; }
.fields { margin-top: 1.5rem; }
label { display: block; margin: 0 0 0.25rem; font-weight: 600; }
.hint { margin: 0 0 0.375rem; color: var(--quiet); font-size: 0.9375rem; }
input { display: block; width: 100%; min-height: 2.875rem; margin: 0 0 1.25rem; padding: 0.5rem 0.75rem; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--edge); border-radius: 0.5rem; }
input[aria-invalid] { border-color: var(--alarm); border-width: 2px; }
button, .button { display: inline-flex; align-items: center; justify-content: center; min-height: 2.875rem; padding: 0.5rem 1.125rem; font: inherit; font-weight: 600; line-height: 1.3; text-align: center; text-decoration: none; color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: 0.5rem; cursor: pointer; }
button:hover, .button:hover { background: var(--accent-hover); border-color: var(--accent-hover); }
.plain, .plain:hover { color: var(--text); background: transparent; border-color: var(--edge); }
.plain:hover { background: var(--ground); }
.whole { width: 100%; }
a { color: var(--accent); text-underline-offset: 0.2em; }
a:hover { color: var(--accent-hover); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.or { display: flex; align-items: center; gap: 0.75rem; margin: 1.5rem 0 1.25rem; color: var(--quiet); font-size: 0.9375rem; }
.or::before, .or::after { content: ''; flex: 1; border-top: 1px solid var(--line); }
.ways, .devices { margin: 0; padding: 0; list-style: none; }
.ways li + li { margin-top: 0.625rem; }
.below { margin: 1.5rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.devices { border-top: 1px solid var(--line); }
.devices li { display: flex; flex-wrap: wrap; gap: 0.75rem 1.5rem; align-items: center; justify-content: space-between; padding: 1rem 0; border-bottom: 1px solid var(--line); }
.devices li > div { flex: 1 1 16rem; }
.devices p { margin: 0; text-wrap: wrap; }
.name { font-weight: 600; }
.badge { display: inline-block; margin-left: 0.5rem; padding: 0.0625rem 0.5rem; font-size: 0.8125rem; font-weight: 600; color: var(--done); background: var(--done-ground); border-radius: 1rem; }
.after { margin-top: 1.25rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; margin: 1.5rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: 0.9375rem; color: var(--quiet); }
dd { margin: 0; }
code { font: 0.9375em/1.4 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 30rem) {
  body { padding: 0; background: var(--sheet); }
  main, main.wide { max-width: none; padding: 1.5rem 1.25rem 2.5rem; border: 0; border-radius: 0; }
  form button { width: 100%; }
  .devices li form { flex: 1 1 100%; }
}
@media (forced-colors: active) {
  input[aria-invalid] { outline: 2px solid; }
}
`
