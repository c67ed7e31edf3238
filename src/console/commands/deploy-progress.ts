import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import type { DeploySnapshot, TargetView } from '../deploy-view.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

const LINES_MAX = 20;
const PLAIN_INTERVAL_MS = 10_000;
const BAR_CELLS = 20;

/**
 * Shows a running deployment: on a terminal a block that is drawn over, elsewhere a line for each change of state and
 * the sum every ten seconds.
 */
export class DeployProgress {
  readonly #context: Pick<ConsoleCommandContext, 'note' | 'columns'>;
  readonly #states = new Map<string, string>();
  #drawnLines = 0;
  #plainAtMs = Number.NEGATIVE_INFINITY;
  #jobState = '';

  constructor(context: Pick<ConsoleCommandContext, 'note' | 'columns'>) {
    this.#context = context;
  }

  show(snapshot: DeploySnapshot): void {
    if (this.#context.columns === undefined) this.#plain(snapshot);
    else this.#draw(snapshot, this.#context.columns);
  }

  end(): void {
    this.#drawnLines = 0;
  }

  #draw(snapshot: DeploySnapshot, columns: number): void {
    const urgent = [...snapshot.targets].sort((a, b) => rank(a) - rank(b));
    const lines = [headLine(snapshot), ...urgent.slice(0, LINES_MAX).map(targetLine)];
    if (urgent.length > LINES_MAX) lines.push(`… and ${urgent.length - LINES_MAX} more`);
    const up = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : '';
    const body = lines.map((line) => `\x1b[2K${line.slice(0, columns - 1)}\n`).join('');
    this.#context.note(`${up}${body}\x1b[J`);
    this.#drawnLines = lines.length;
  }

  #plain(snapshot: DeploySnapshot): void {
    const nowMs = performance.now();
    if (snapshot.state !== this.#jobState || nowMs - this.#plainAtMs > PLAIN_INTERVAL_MS) {
      this.#context.note(`${headLine(snapshot)}\n`);
      this.#jobState = snapshot.state;
      this.#plainAtMs = nowMs;
    }
    for (const target of snapshot.targets) {
      if (this.#states.get(target.computerId) === target.state) continue;
      this.#states.set(target.computerId, target.state);
      this.#context.note(`${targetLine(target)}\n`);
    }
  }
}

/** Trouble first, then what is under way, then what is done. */
function rank(target: TargetView): number {
  if (target.state === 'failed' || target.state === 'lost contact') return 0;
  return target.state === 'done' ? 2 : 1;
}

function headLine(snapshot: DeploySnapshot): string {
  const { id, image, state, targets } = snapshot;
  if (state === 'waiting') {
    const { connected, wanted } = snapshot;
    const here = wanted === 0 ? 'starting' : `waiting for computers, ${connected} of ${wanted} are here`;
    return `Job ${id}: "${image}" ${here}`;
  }
  const count = (wanted: string) => targets.filter((one) => one.state === wanted).length;
  const rate = snapshot.bytesPerSecond > 0 ? `, sending ${formatBytes(snapshot.bytesPerSecond)}/s` : '';
  return `Job ${id}: "${image}" ${state}, ${count('done')} of ${targets.length} done, ${count('failed')} failed${rate}`;
}

function targetLine(target: TargetView): string {
  const { name, state, reason, detail, doneBytes, totalBytes, bytesPerSecond } = target;
  if (reason !== '') return `  ${name}  ${state}: ${reason}`;
  if (state !== 'receiving' || totalBytes === 0)
    return `  ${name}  ${state}${detail === '' ? '' : `: ${detail}`}`;
  const part = Math.min(1, doneBytes / totalBytes);
  const bar = '#'.repeat(Math.round(part * BAR_CELLS)).padEnd(BAR_CELLS, '.');
  const left = bytesPerSecond > 0 ? `, ${formatSeconds((totalBytes - doneBytes) / bytesPerSecond)} left` : '';
  return `  ${name}  ${state} [${bar}] ${Math.floor(part * 100)} %, ${formatBytes(bytesPerSecond)}/s${left}`;
}
