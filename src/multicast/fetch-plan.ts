import type { Bitmap } from './bitmap.ts';
import {
  DAMAGED_CHUNKS_MAX,
  FETCH_RETRIES_MAX,
  FETCH_RETRY_WAIT_MS,
  FETCH_RETRY_WAIT_MS_MAX,
  FETCHES_PARALLEL_MAX,
} from './limits.ts';

/** Which chunks a receiver fetches over TCP, and when again after a failure. */
export interface FetchPlan {
  readonly active: number;
  nextWakeMs(): number;
  /** Asks for one chunk whatever else happens. */
  want(ordinal: number): void;
  /** @returns ordinals to fetch now; with `everything` also what no one asked for but is not taken. */
  start(nowMs: number, options: { taken: Bitmap; everything: boolean }): number[];
  /** @returns false when it was not being fetched. */
  succeeded(ordinal: number): boolean;
  /** @returns `give-up` after {@link FETCH_RETRIES_MAX} failures in a row. */
  failed(ordinal: number, nowMs: number): 'retry' | 'give-up' | 'unknown';
}

export function fetchPlan(): FetchPlan {
  const wanted = new Set<number>();
  const active = new Set<number>();
  let failures = 0;
  let waitUntilMs = Number.NEGATIVE_INFINITY;
  let waiting = false;

  const next = (options: { taken: Bitmap; everything: boolean }): number | undefined => {
    for (const ordinal of wanted) {
      wanted.delete(ordinal);
      if (!options.taken.has(ordinal)) return ordinal;
    }
    if (!options.everything) return undefined;
    let ordinal = options.taken.nextClear(0);
    while (active.has(ordinal)) ordinal = options.taken.nextClear(ordinal + 1);
    return ordinal < options.taken.length ? ordinal : undefined;
  };

  return {
    get active() {
      return active.size;
    },
    nextWakeMs: () => (waiting ? waitUntilMs : Number.POSITIVE_INFINITY),
    want: (ordinal) => {
      if (wanted.size < DAMAGED_CHUNKS_MAX) wanted.add(ordinal);
    },
    start: (nowMs, options) => {
      const started: number[] = [];
      if (nowMs < waitUntilMs) return started;
      waiting = false;
      while (active.size < FETCHES_PARALLEL_MAX) {
        const ordinal = next(options);
        if (ordinal === undefined) break;
        active.add(ordinal);
        started.push(ordinal);
      }
      return started;
    },
    succeeded: (ordinal) => {
      failures = 0;
      return active.delete(ordinal);
    },
    failed: (ordinal, nowMs) => {
      if (!active.delete(ordinal)) return 'unknown';
      wanted.add(ordinal);
      // Fetches that fail side by side are one failure of the service.
      if (waiting) return 'retry';
      failures += 1;
      if (failures > FETCH_RETRIES_MAX) return 'give-up';
      waitUntilMs = nowMs + Math.min(FETCH_RETRY_WAIT_MS * 2 ** (failures - 1), FETCH_RETRY_WAIT_MS_MAX);
      waiting = true;
      return 'retry';
    },
  };
}
