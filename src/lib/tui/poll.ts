import { sleep } from '../clock.ts';
import type { AnyHost } from './field.ts';

/** Calls `work` now and then again after each interval until the page closes or the signal aborts; then draws. */
export async function poll(
  host: AnyHost,
  options: { intervalMs?: number; signal?: AbortSignal; work: () => Promise<void> },
): Promise<void> {
  const signal = options.signal === undefined ? host.signal : AbortSignal.any([host.signal, options.signal]);
  while (!signal.aborted) {
    await options.work();
    host.refresh();
    await sleep(options.intervalMs ?? 1000, signal).catch(() => {});
  }
}
