import type { Clock } from './clock.ts';

export interface ProgressState {
  doneBytes: number;
  totalBytes: number;
  /** Mean over the last seconds. */
  bytesPerSecond: number;
  /** Undefined until a rate is known. */
  leftSeconds: number | undefined;
}

const WINDOW_MS = 5000;
const SAMPLES_MAX = 64;

/** Turns "so many bytes are done" into rate and time left over a sliding window of five seconds. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #samples: { atMs: number; doneBytes: number }[] = [];
  totalBytes: number;
  doneBytes = 0;

  constructor(totalBytes: number, clock: Clock) {
    this.totalBytes = totalBytes;
    this.#clock = clock;
    this.#samples.push({ atMs: clock.nowMs(), doneBytes: 0 });
  }

  advance(bytes: number): void {
    this.doneBytes += bytes;
    const atMs = this.#clock.nowMs();
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < WINDOW_MS / SAMPLES_MAX && this.#samples.length > 1) {
      last.doneBytes = this.doneBytes;
      return;
    }
    this.#samples.push({ atMs, doneBytes: this.doneBytes });
    while (this.#samples.length > 2 && atMs - this.#samples[0]!.atMs > WINDOW_MS) this.#samples.shift();
  }

  state(): ProgressState {
    const first = this.#samples[0]!;
    const elapsedMs = this.#clock.nowMs() - first.atMs;
    const rate = elapsedMs > 0 ? ((this.doneBytes - first.doneBytes) * 1000) / elapsedMs : 0;
    const left = this.totalBytes - this.doneBytes;
    return {
      doneBytes: this.doneBytes,
      totalBytes: this.totalBytes,
      bytesPerSecond: rate,
      leftSeconds: left <= 0 ? 0 : rate > 0 ? left / rate : undefined,
    };
  }
}

/** `1.4 GB`: decimal units, as disks are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** `12:34` or `1:02:03`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}
