import { formatBytes, formatSeconds, type ProgressState } from './progress.ts';

const REDRAW_MS = 200;
/** Short runs end before a bar would help. */
const SHOWN_AFTER_MS = 2000;
const BAR_COLUMNS = 16;

export interface ProgressBarOptions {
  /** Writes to the terminal, usually standard error. */
  write: (text: string) => void;
  nowMs: () => number;
  /** Width of the terminal; default 80. */
  columns?: number;
}

/** `Writing [#####     ]  42 %  1.2 GB of 2.9 GB  112 MB/s  0:15 left`, cut to the width. */
export function progressLine(label: string, state: ProgressState, columns = 80): string {
  const share = state.totalBytes > 0 ? Math.min(1, state.doneBytes / state.totalBytes) : 1;
  const filled = Math.round(share * BAR_COLUMNS);
  const left = state.leftSeconds === undefined ? '' : `${formatSeconds(state.leftSeconds)} left`;
  const parts = [
    `${label} [${'#'.repeat(filled)}${' '.repeat(BAR_COLUMNS - filled)}]`,
    `${String(Math.floor(share * 100)).padStart(3)} %`,
    `${formatBytes(state.doneBytes)} of ${formatBytes(state.totalBytes)}`,
    `${formatBytes(state.bytesPerSecond)}/s`,
    left,
  ];
  return parts.join('  ').trimEnd().slice(0, columns);
}

/** Draws a bar over itself on one line, from two seconds on and a few times a second. */
export class ProgressBar {
  readonly #options: ProgressBarOptions;
  readonly #startMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(options: ProgressBarOptions) {
    this.#options = options;
    this.#startMs = options.nowMs();
  }

  update(label: string, state: ProgressState): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#startMs < SHOWN_AFTER_MS || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    this.#drawn = true;
    const columns = this.#options.columns ?? 80;
    this.#options.write(`\r${progressLine(label, state, columns - 1).padEnd(columns - 1)}`);
  }

  /** Clears the line so that the result stands alone. */
  clear(): void {
    if (this.#drawn) this.#options.write(`\r${' '.repeat((this.#options.columns ?? 80) - 1)}\r`);
    this.#drawn = false;
  }
}
