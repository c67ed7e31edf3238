import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import { plural } from '../commands/text-table.ts';
import type { Report, ReportComputer } from './report.ts';

const COLUMNS = 80;

/** The report as plain text of at most 80 columns. */
export function reportText(report: Report): string {
  const { job, settings, notApplied, sessions, computers, events } = report;
  const lines = [
    ...wrapped(headline(report), ''),
    `Started ${shownTime(job.startedAt)}, ${job.endedAt === '' ? 'still running' : `ended ${shownTime(job.endedAt)}`}, ${formatSeconds(job.seconds)}`,
    ...(job.error === '' ? [] : wrapped(job.error, '')),
    ...section(
      'Settings',
      settings.flatMap(({ label, value }) => wrapped(value, `  ${label.padEnd(22)}`)),
    ),
    ...section(
      'Not applied by this version',
      notApplied.flatMap((one) => wrapped(one, '  - ')),
    ),
    ...section(
      'Multicast',
      sessions.flatMap((one) => wrapped(sessionLine(one), '  ')),
    ),
    ...section('Computers', computers.flatMap(computerLines)),
    ...section(
      'Events',
      events.flatMap(({ at, level, text }) =>
        wrapped(
          `${level === 'info' ? '' : `${level.toUpperCase()}: `}${text}`,
          `  ${shownTime(at).slice(11)}  `,
        ),
      ),
    ),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** `Deployment 2026…: "office" partial, 1 of 2 computers done`. */
export function headline({ job, computers }: Report): string {
  const from = job.template === '' ? '' : ` by template "${job.template}"`;
  if (job.kind === 'capture') return `Capture ${job.id}: "${job.image}" ${job.state}`;
  const done = computers.filter((one) => one.state === 'done').length;
  return `Deployment ${job.id}: "${job.image}"${from} ${job.state}, ${done} of ${plural(computers.length, 'computer')} done`;
}

export function sessionLine(session: Report['sessions'][number]): string {
  const { bytes, seconds, bytesPerSecond, datagrams, repairDatagrams } = session;
  return `${formatBytes(bytes)} in ${formatSeconds(seconds)}, ${formatBytes(bytesPerSecond)}/s, ${plural(datagrams, 'datagram')}, ${repairDatagrams} of them repairs`;
}

/** `2026-01-31 14:25:30`, UTC. */
export function shownTime(at: string): string {
  return at.replace('T', ' ').replace(/(?:\.\d+)?Z$/, '');
}

export function shownPercent(percent: number): string {
  return `${percent > 0 && percent < 0.01 ? '<0.01' : percent.toFixed(2)} %`;
}

/** `failed: Join the domain (no answer)`. */
export function editLine({ text, result, reason }: ReportComputer['edits'][number]): string {
  return `${result}: ${text}${reason === '' ? '' : ` (${reason})`}`;
}

function computerLines(one: ReportComputer): string[] {
  const facts = [
    `${formatBytes(one.bytes)} in ${formatSeconds(one.seconds)}`,
    `${formatBytes(one.bytesPerSecond)}/s`,
    `lost ${shownPercent(one.lostPercent)}`,
    ...(one.tcpChunks === 0 ? [] : [`${one.tcpChunks} chunks by TCP`]),
    ...(one.disk === '' ? [] : [one.disk]),
  ];
  return [
    ...wrapped(`${one.name.padEnd(20)} ${one.state}`, '  '),
    ...wrapped(facts.join(', '), '    '),
    ...(one.reason === '' ? [] : wrapped(one.reason, '    ')),
    ...one.edits.flatMap((edit) => wrapped(editLine(edit), '    - ')),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

/** Words on lines of at most 80 columns; the first begins with `lead`, the others are as far indented. */
function wrapped(text: string, lead: string): string[] {
  const width = COLUMNS - lead.length;
  const lines: string[] = [];
  let line = '';
  // What computers say may hold anything: control characters must not reach a terminal.
  for (const word of text.replace(/\p{C}/gu, ' ').split(/ (?! )/)) {
    for (const piece of word.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? ['']) {
      if (line !== '' && line.length + 1 + piece.length > width) {
        lines.push(line);
        line = piece;
      } else line = line === '' ? piece : `${line} ${piece}`;
    }
  }
  lines.push(line);
  return lines.map((one, i) => (i === 0 ? lead : ' '.repeat(lead.length)) + one);
}
