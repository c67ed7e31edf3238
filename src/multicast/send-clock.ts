const SAMPLES_MAX = 256;
const SAMPLE_INTERVAL_MS = 40;

/** Remembers roughly when which datagram was sent, for the last ten seconds of sending. */
export class SendClock {
  readonly #samples: { sequence: number; atMs: number }[] = [];
  #last = { sequence: 0, atMs: 0 };

  note(sequence: number, nowMs: number): void {
    this.#last = { sequence, atMs: nowMs };
    const newest = this.#samples.at(-1);
    if (newest !== undefined && nowMs - newest.atMs < SAMPLE_INTERVAL_MS) return;
    this.#samples.push({ sequence, atMs: nowMs });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** How long ago a datagram was sent; 0 when it was not sent yet. */
  ageMs(sequence: number, nowMs: number): number {
    if (sequence > this.#last.sequence) return 0;
    let atMs = this.#samples[0]?.atMs ?? nowMs;
    for (const sample of this.#samples) {
      if (sample.sequence > sequence) break;
      atMs = sample.atMs;
    }
    return nowMs - atMs;
  }
}
