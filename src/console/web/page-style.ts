/** Calm, one column, light and dark by the system's wish, usable from the width of a phone up. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1d2430; --quiet: #5b6675; --line: #d8dde4; --accent: #2463a5; --good: #1d6f3f; --bad: #a8262b; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --page: #14181f; --card: #1c222b; --ink: #e4e8ee; --quiet: #98a3b3; --line: #303947; --accent: #6aa9e9; --good: #6fcf97; --bad: #f28b8b; --warn: #e8b65a; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; padding: .75rem max(1rem, calc(50vw - 34rem)); background: var(--card); border-bottom: 1px solid var(--line); }
header p { margin: 0; color: var(--quiet); }
#contact { margin-left: auto; }
main { max-width: 70rem; margin: 0 auto; padding: 0 1rem 3rem; }
h1 { font-size: 1.2rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
.quiet { color: var(--quiet); font-weight: normal; }
.done { color: var(--good); }
.failed { color: var(--bad); }
.lost, .cancelled, .partial, .interrupted, .slow { color: var(--warn); }
button, select, input { font: inherit; color: inherit; padding: .35rem .8rem; border: 1px solid var(--line); border-radius: .35rem; background: var(--card); }
button { cursor: pointer; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
select { max-width: 100%; }
.job { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin-bottom: 1rem; }
.job > .head { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; }
.job > .head button { margin-left: auto; }
.job p { margin: .25rem 0; }
progress { appearance: none; width: 100%; height: .6rem; border: 0; border-radius: .3rem; overflow: hidden; background: var(--line); color: var(--accent); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: currentColor; }
progress::-moz-progress-bar { background: currentColor; }
.rows { list-style: none; margin: .5rem 0 0; padding: 0; }
.rows li { display: grid; gap: 0 1rem; align-items: center; padding: .3rem 0; border-top: 1px solid var(--line); min-height: 2.6rem; }
.job .rows li { grid-template-columns: 11rem 9rem minmax(6rem, 1fr) 7rem 6rem 5.5rem; }
.job .rows .note { grid-column: 1 / -1; }
#computers li { grid-template-columns: 11rem 9rem minmax(8rem, 1fr) 10rem; min-height: 0; }
.number { text-align: right; }
.rows button { padding: .1rem .5rem; }
dialog { max-width: min(40rem, calc(100vw - 2rem)); color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
dialog::backdrop { background: #0008; }
dialog form { display: block; }
dialog h2 { margin-top: 0; }
dialog input { width: 100%; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
.buttons { display: flex; gap: .5rem; margin-bottom: 0; }
@media (max-width: 44rem) {
  .job .rows li, #computers li { grid-template-columns: 1fr auto; padding: .5rem 0; }
  .job .rows progress { grid-column: 1 / -1; }
  .number { text-align: left; }
  .rows button { justify-self: start; }
}
`;
