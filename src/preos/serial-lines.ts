import type { ScreenView } from '../lib/screen.ts';
import { asciiOf } from './screen-text.ts';

/** A changing number is worth a line this often. */
const PROGRESS_INTERVAL_MS = 5000;
/** A row that keeps changing, such as a rate, is worth a line this often. */
const ROW_INTERVAL_MS = 2000;
const ROWS_KEPT_MAX = 200;

/** What a line-oriented terminal has already been told. */
export interface SerialMemory {
  title: string;
  activity: string;
  progress: string;
  progressAtMs: number;
  rows: Map<string, { value: string; atMs: number }>;
  problems: readonly string[];
  hints: readonly string[];
  choices: string;
}

export function newSerialMemory(): SerialMemory {
  return {
    title: '',
    activity: '',
    progress: '',
    progressAtMs: Number.NEGATIVE_INFINITY,
    rows: new Map(),
    problems: [],
    hints: [],
    choices: '',
  };
}

/**
 * The lines that tell what changed since the last call. What comes too soon after its last line is
 * left out now and told by a later call with the same view.
 */
export function serialLines(memory: SerialMemory, view: ScreenView, nowMs: number): string[] {
  const lines: string[] = [];
  if (view.title !== memory.title) {
    memory.title = view.title;
    memory.rows.clear();
    lines.push(`--- ${asciiOf(view.title)} ---`);
  }
  for (const row of view.rows) {
    const before = memory.rows.get(row.label);
    if (before?.value === row.value) continue;
    if (before !== undefined && nowMs - before.atMs < ROW_INTERVAL_MS) continue;
    if (memory.rows.size < ROWS_KEPT_MAX) memory.rows.set(row.label, { value: row.value, atMs: nowMs });
    lines.push(asciiOf(`${row.label}: ${row.value}`));
  }
  if (view.activity !== memory.activity) {
    memory.activity = view.activity;
    memory.progressAtMs = Number.NEGATIVE_INFINITY;
    lines.push(asciiOf(view.activity));
  }
  const progress = progressOf(view);
  if (progress !== memory.progress && nowMs - memory.progressAtMs >= PROGRESS_INTERVAL_MS) {
    memory.progress = progress;
    memory.progressAtMs = nowMs;
    if (progress !== '') lines.push(progress);
  }
  lines.push(
    ...view.problems.filter((line) => !memory.problems.includes(line)).map((l) => asciiOf(`! ${l}`)),
  );
  memory.problems = [...view.problems];
  lines.push(...view.hints.filter((line) => !memory.hints.includes(line)).map((l) => asciiOf(`> ${l}`)));
  memory.hints = [...view.hints];
  const choices = choiceLines(view);
  if (choices.join('\n') !== memory.choices) lines.push(...choices);
  memory.choices = choices.join('\n');
  return lines.filter((line) => line !== '');
}

function choiceLines({ choices }: ScreenView): string[] {
  if (choices === undefined || choices.items.length === 0) return [];
  const items = choices.items.map((item, i) => asciiOf(`${i + 1}  ${item}`));
  return [asciiOf(choices.title), ...items, '> Press Enter and choose what is offered here.'];
}

function progressOf(view: ScreenView): string {
  const percent = view.fraction === undefined ? '' : `${Math.floor(view.fraction * 100)} %`;
  return [percent, asciiOf(view.rate ?? '')].filter((part) => part !== '').join('  ');
}
