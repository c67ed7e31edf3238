import type { ConsoleStore, JobSample } from './store.ts';

const FIRST_INTERVAL_MS = 2000;
const SAMPLES_MAX = 300;

/**
 * How a job went over time, for its report: a point every two seconds at first; when there are 300, every second one goes
 * and the pace halves, so that a job of any length is drawn from some hundred points.
 */
export class JobSamples {
  readonly #jobId: string;
  readonly #store: ConsoleStore;
  #timesMs: number[];
  #intervalMs: number;

  /** Goes on with what is stored of the job already. */
  constructor(jobId: string, store: ConsoleStore) {
    this.#jobId = jobId;
    this.#store = store;
    this.#timesMs = store.samples(jobId).map((one) => one.atMs);
    const [first, second] = this.#timesMs;
    const gapMs = first === undefined || second === undefined ? 0 : second - first;
    this.#intervalMs = Math.max(FIRST_INTERVAL_MS, gapMs);
  }

  /** Stores a point when it is time for one. */
  take(atMs: number, look: () => Omit<JobSample, 'atMs'>): void {
    const lastMs = this.#timesMs.at(-1);
    if (lastMs !== undefined && atMs - lastMs < this.#intervalMs) return;
    if (this.#timesMs.length >= SAMPLES_MAX) this.#thin();
    const rounded = Math.round(atMs);
    this.#timesMs.push(rounded);
    this.#store.addSample(this.#jobId, { atMs: rounded, ...look() });
  }

  #thin(): void {
    const gone = this.#timesMs.filter((_, i) => i % 2 === 1);
    this.#timesMs = this.#timesMs.filter((_, i) => i % 2 === 0);
    this.#intervalMs *= 2;
    this.#store.removeSamples(this.#jobId, gone);
  }
}
