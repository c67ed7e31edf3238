import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import { escapeHtml } from './html-escape.ts';
import type { Report, ReportComputer, ReportStep } from './report.ts';

/** How a step looks: colour, hatching and letter say the same. */
interface StepLook {
  letter: string;
  light: string;
  dark: string;
  /** Path within a square of 8. */
  hatch: string;
}

const LOOKS: Readonly<Record<string, StepLook>> = {
  'pre-flight': { letter: 'F', light: '#c9ced6', dark: '#4a515c', hatch: '' },
  partitioning: { letter: 'P', light: '#d9c2e9', dark: '#5d4673', hatch: 'M0 4H8' },
  receiving: { letter: 'R', light: '#a9cdf2', dark: '#2f5d8f', hatch: '' },
  checking: { letter: 'C', light: '#a8ddd0', dark: '#2b6b5e', hatch: 'M4 0V8' },
  growing: { letter: 'G', light: '#d5e3a5', dark: '#59672a', hatch: 'M0 4H8M4 0V8' },
  customising: { letter: 'U', light: '#f3dd9c', dark: '#75602a', hatch: 'M0 0L8 8' },
  'boot-entry': { letter: 'B', light: '#f2c7a0', dark: '#80532b', hatch: 'M8 0L0 8' },
  'lost contact': { letter: 'L', light: '#f0b4b4', dark: '#7c3636', hatch: 'M0 0L8 8M8 0L0 8' },
  mapping: { letter: 'M', light: '#c9ced6', dark: '#4a515c', hatch: 'M0 4H8' },
  capturing: { letter: 'S', light: '#a9cdf2', dark: '#2f5d8f', hatch: '' },
  finishing: { letter: 'E', light: '#a8ddd0', dark: '#2b6b5e', hatch: 'M4 0V8' },
};
const OTHER: StepLook = { letter: '?', light: '#dddddd', dark: '#555555', hatch: 'M0 2H8M0 6H8' };
const END_SIGNS: Readonly<Record<string, string>> = { done: '✓', failed: '✗', cancelled: '–' };

const WIDTH = 1000;
const LEFT = 150;
const RIGHT = 24;
const TOP = 14;
const AREA_HEIGHT = 110;
const AXIS_HEIGHT = 26;
const LANE_HEIGHT = 18;
const NAME_CHARS = 20;
/** Narrower steps carry no letter. */
const LETTER_WIDTH = 14;
const TICKS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800,
];
const TICKS_MAX = 8;

interface Scale {
  startMs: number;
  endMs: number;
  x(at: string | number): string;
}

/** The picture of a job over time: the group's rate as an area, below it a lane for each computer. */
export function timelineSvg(report: Report): string {
  const scale = timeScale(report);
  const lanesTop = TOP + AREA_HEIGHT + AXIS_HEIGHT;
  const height = lanesTop + report.computers.length * LANE_HEIGHT + 8;
  const lanes = report.computers.map((one, i) => lane(one, { scale, y: lanesTop + i * LANE_HEIGHT }));
  return `<svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="timeline-title">
<title id="timeline-title">Rate of the group and steps of every computer over time</title>
<defs>${[...stepNames(report)].map(pattern).join('')}</defs>
${rateArea(report, scale)}
${ticks(scale, height)}
${lanes.join('\n')}
</svg>`;
}

/** What colours, hatchings and letters mean; only steps that occur. */
export function timelineLegend(report: Report): string {
  const items = [...stepNames(report)].map(
    (step) =>
      `<li><svg viewBox="0 0 26 16" aria-hidden="true"><rect width="26" height="16" fill="url(#${patternId(step)})"/><text x="13" y="12" text-anchor="middle">${lookOf(step).letter}</text></svg> ${escapeHtml(step)}</li>`,
  );
  const ends = Object.entries(END_SIGNS).map(
    ([end, sign]) => `<li><b class="${end}">${sign}</b> ${end}</li>`,
  );
  return `<ul class="legend">${items.join('')}${ends.join('')}</ul>`;
}

/** The colours of the steps, for the style of the page. */
export function timelineColours(theme: 'light' | 'dark'): string {
  const looks = [...Object.entries(LOOKS), ['other', OTHER] as const];
  return looks.map(([step, look]) => `--${step.replace(' ', '-')}:${look[theme]};`).join('');
}

function timeScale({ job, createdAt, computers, rates }: Report): Scale {
  const startMs = Date.parse(job.startedAt);
  const times = [job.endedAt || createdAt, rates.at(-1)?.at ?? job.startedAt];
  for (const { steps } of computers) for (const step of steps) times.push(step.endedAt);
  const endMs = times.reduce((latest, at) => Math.max(latest, Date.parse(at)), startMs + 1000);
  const perMs = (WIDTH - LEFT - RIGHT) / (endMs - startMs);
  const x = (at: string | number) => {
    const ms = Math.min(endMs, Math.max(startMs, typeof at === 'number' ? at : Date.parse(at)));
    return (LEFT + (ms - startMs) * perMs).toFixed(1);
  };
  return { startMs, endMs, x };
}

function rateArea({ rates }: Report, { startMs, endMs, x }: Scale): string {
  const base = TOP + AREA_HEIGHT;
  if (rates.length === 0)
    return `<text class="quiet" x="${LEFT}" y="${base - 8}">no rates were recorded</text>`;
  // One point for each unit of width, the highest: a long job has more samples than there is room for.
  const columns = new Map<number, { at: string; bytesPerSecond: number }>();
  for (const sample of rates) {
    const column = Math.floor(((Date.parse(sample.at) - startMs) * (WIDTH - LEFT)) / (endMs - startMs));
    const kept = columns.get(column);
    if (kept === undefined || sample.bytesPerSecond > kept.bytesPerSecond) columns.set(column, sample);
  }
  const points = [...columns.values()];
  const highest = points.reduce((max, one) => Math.max(max, one.bytesPerSecond), 1);
  const y = (rate: number) => (base - (rate / highest) * (AREA_HEIGHT - 12)).toFixed(1);
  const line = points.map((one) => `${x(one.at)} ${y(one.bytesPerSecond)}`).join('L');
  return `<g><title>Rate of the group, at most ${escapeHtml(formatBytes(highest))}/s</title>
<path class="area" d="M${x(points[0]!.at)} ${base}L${line}L${x(points.at(-1)!.at)} ${base}Z"/>
<text class="quiet" x="${LEFT - 8}" y="${TOP + 14}" text-anchor="end">${escapeHtml(formatBytes(highest))}/s</text>
<text class="quiet" x="${LEFT - 8}" y="${base}" text-anchor="end">0</text></g>`;
}

function ticks({ startMs, endMs, x }: Scale, height: number): string {
  const seconds = (endMs - startMs) / 1000;
  const step = TICKS.find((one) => seconds / one <= TICKS_MAX) ?? seconds / TICKS_MAX;
  const marks: string[] = [];
  for (let at = 0; at <= seconds; at += step) {
    const left = x(startMs + at * 1000);
    marks.push(
      `<path class="tick" d="M${left} ${TOP}V${height - 8}"/><text class="quiet" x="${left}" y="${TOP + AREA_HEIGHT + 16}" text-anchor="middle">${formatSeconds(at)}</text>`,
    );
  }
  return marks.join('');
}

function lane(computer: ReportComputer, { scale, y }: { scale: Scale; y: number }): string {
  const { name, state, reason, steps } = computer;
  const label = name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS - 1)}…` : name;
  const said = reason === '' ? `${name}: ${state}` : `${name}: ${state}: ${reason}`;
  const last = steps.at(-1);
  const sign = END_SIGNS[state];
  const end =
    sign === undefined || last === undefined
      ? ''
      : `<text class="${state}" x="${Number(scale.x(last.endedAt)) + 4}" y="${y + 12}">${sign}</text>`;
  return `<g class="lane"><title>${escapeHtml(said)}</title>
<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escapeHtml(label)}</text>${steps.map((step) => segment(step, { scale, y })).join('')}${end}</g>`;
}

function segment(step: ReportStep, { scale, y }: { scale: Scale; y: number }): string {
  const left = Number(scale.x(step.startedAt));
  const width = Math.max(1, Number(scale.x(step.endedAt)) - left);
  const seconds = (Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000;
  const letter =
    width < LETTER_WIDTH
      ? ''
      : `<text x="${(left + width / 2).toFixed(1)}" y="${y + 12}" text-anchor="middle">${lookOf(step.step).letter}</text>`;
  return `<g><title>${escapeHtml(`${step.step}, ${formatSeconds(seconds)}`)}</title><rect x="${left}" y="${y + 2}" width="${width.toFixed(1)}" height="${LANE_HEIGHT - 4}" fill="url(#${patternId(step.step)})"/>${letter}</g>`;
}

function stepNames({ computers }: Report): Set<string> {
  return new Set(
    computers.flatMap((one) => one.steps.map(({ step }) => (Object.hasOwn(LOOKS, step) ? step : 'other'))),
  );
}

function lookOf(step: string): StepLook {
  return Object.hasOwn(LOOKS, step) ? LOOKS[step]! : OTHER;
}

function patternId(step: string): string {
  return `step-${Object.hasOwn(LOOKS, step) ? step.replace(' ', '-') : 'other'}`;
}

function pattern(step: string): string {
  const id = patternId(step);
  const hatch = lookOf(step).hatch;
  const lines = hatch === '' ? '' : `<path class="hatch" d="${hatch}"/>`;
  return `<pattern id="${id}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" style="fill:var(--${id.slice(5)})"/>${lines}</pattern>`;
}
