import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import { plural } from '../commands/text-table.ts';
import { escapeHtml } from './html-escape.ts';
import type { Report, ReportComputer } from './report.ts';
import { editLine, headline, sessionLine, shownPercent, shownTime } from './report-text.ts';
import { timelineColours, timelineLegend, timelineSvg } from './report-timeline.ts';

const LIGHT = `--page:#fff;--ink:#1d2430;--quiet:#5b6675;--line:#d8dde4;--good:#1d6f3f;--bad:#a8262b;--warn:#8a5a00;--area:#8fb9e3;${timelineColours('light')}`;
const DARK = `--page:#14181f;--ink:#e4e8ee;--quiet:#98a3b3;--line:#303947;--good:#6fcf97;--bad:#f28b8b;--warn:#e8b65a;--area:#3c73ad;${timelineColours('dark')}`;

const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
body{margin:0 auto;max-width:70rem;padding:1.5rem;background:var(--page);color:var(--ink);font:16px/1.45 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}.quiet,th{color:var(--quiet)}
.done{color:var(--good)}.failed,.error{color:var(--bad)}.cancelled,.warn,.partial,.interrupted{color:var(--warn)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number,th.number{text-align:right;white-space:nowrap}td.time{white-space:nowrap;color:var(--quiet)}
td.name,td.state{white-space:nowrap}td.disk,td.reason{min-width:9rem;overflow-wrap:anywhere}
.timeline{width:100%;min-width:44rem;font:11px system-ui,sans-serif}
svg text{fill:var(--ink)}svg text.quiet{fill:var(--quiet)}svg text.done{fill:var(--good)}svg text.failed{fill:var(--bad)}svg text.cancelled{fill:var(--warn)}
.area{fill:var(--area)}.tick{stroke:var(--line);fill:none}.hatch{stroke:var(--ink);stroke-opacity:.35;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;list-style:none;font-size:.9rem}.legend svg{width:26px;height:16px;vertical-align:-3px;font:11px system-ui,sans-serif}
@media print{:root{color-scheme:light;${LIGHT}}tr,.lane{break-inside:avoid}.scroll{overflow:visible}.timeline{min-width:0}}
`;

/** The report as one HTML page that needs nothing else: no network, no script, for screen and paper. */
export function reportHtml(report: Report): string {
  const { job, settings, notApplied, sessions, computers, events } = report;
  const title = escapeHtml(headline(report));
  const ended = job.endedAt === '' ? 'still running' : `ended ${shownTime(job.endedAt)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title><style>${STYLE}</style></head><body>
<h1 class="${escapeHtml(job.state)}">${title}</h1>
<p class="quiet">Started ${escapeHtml(shownTime(job.startedAt))} UTC, ${escapeHtml(ended)}, ${formatSeconds(job.seconds)}</p>
${job.error === '' ? '' : `<p class="${escapeHtml(job.state)}">${escapeHtml(job.error)}</p>`}
<h2>Over time</h2><div class="scroll">${timelineSvg(report)}</div>${timelineLegend(report)}
<h2>Computers</h2>${computerTable(computers)}
${editLists(computers)}
${list('Multicast', sessions.map(sessionLine))}
${settings.length === 0 ? '' : `<h2>Settings</h2><table>${settings.map(({ label, value }) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`).join('')}</table>`}
${list('Not applied by this version', notApplied)}
<h2>Events</h2><div class="scroll"><table>${events
    .map(
      ({ at, level, text }) =>
        `<tr><td class="time">${escapeHtml(shownTime(at))}</td><td class="${escapeHtml(level)}">${level === 'info' ? '' : escapeHtml(level)}</td><td>${escapeHtml(text)}</td></tr>`,
    )
    .join('\n')}</table></div>
<p class="quiet">TotalDeploy ${escapeHtml(report.program)}, ${escapeHtml(shownTime(report.createdAt))} UTC</p>
</body></html>
`;
}

function list(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return `<h2>${title}</h2><ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`;
}

function editLists(computers: readonly ReportComputer[]): string {
  const changed = computers.filter(({ edits }) => edits.length > 0);
  if (changed.length === 0) return '';
  const lists = changed.map(({ name, edits }) => {
    const lines = edits.map(
      (edit) => `<li class="${edit.result === 'failed' ? 'failed' : ''}">${escapeHtml(editLine(edit))}</li>`,
    );
    const failed = edits.filter(({ result }) => result === 'failed').length;
    const head = `${name}: ${plural(edits.length, 'change')}${failed === 0 ? '' : `, ${failed} failed`}`;
    return `<details${failed === 0 ? '' : ' open'}><summary>${escapeHtml(head)}</summary><ul>${lines.join('')}</ul></details>`;
  });
  return `<h2>Changes of the deployed systems</h2>${lists.join('\n')}`;
}

function computerTable(computers: readonly ReportComputer[]): string {
  const head = ['Computer', 'State', 'Written', 'Rate', 'Time', 'Lost', 'Disk', 'Reason'];
  const isNumber = (i: number) => i >= 2 && i <= 5;
  const rows = computers.map((one) => {
    const numbers = [
      formatBytes(one.bytes),
      `${formatBytes(one.bytesPerSecond)}/s`,
      formatSeconds(one.seconds),
      shownPercent(one.lostPercent),
    ];
    return `<tr><td class="name">${escapeHtml(one.name)}</td><td class="state ${escapeHtml(one.state)}">${escapeHtml(one.state)}</td>${numbers.map((text) => `<td class="number">${escapeHtml(text)}</td>`).join('')}<td class="disk">${escapeHtml(one.disk)}</td><td class="reason">${escapeHtml(one.reason)}</td></tr>`;
  });
  return `<div class="scroll"><table><tr>${head.map((text, i) => `<th${isNumber(i) ? ' class="number"' : ''} scope="col">${text}</th>`).join('')}</tr>${rows.join('\n')}</table></div>`;
}
