import { errorLine, TdError } from '../lib/errors.ts';

export const ANSWER_MS_MAX = 5000;

/**
 * Access to a folder that may stop answering, as a share does whose server is gone. An access that is late is left
 * alone, and no other one is started until it has come to its end: each holds a thread of the few there are.
 */
export class SlowFolder {
  readonly dir: string;
  #late: Promise<unknown> | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** @throws TdError `timeout` when it takes too long; else what the work throws. */
  async ask<T>(work: () => Promise<T>, limitMs = ANSWER_MS_MAX): Promise<T> {
    if (this.#late !== undefined) throw this.#noAnswer();
    const asked = work();
    const timer = Promise.withResolvers<'late'>();
    const timeout = setTimeout(() => timer.resolve('late'), limitMs);
    try {
      const first = await Promise.race([asked.then((value) => ({ value })), timer.promise]);
      if (first !== 'late') return first.value;
    } finally {
      clearTimeout(timeout);
    }
    const late = asked.then(
      () => undefined,
      (error) => errorLine(error),
    );
    this.#late = late.finally(() => {
      this.#late = undefined;
    });
    throw this.#noAnswer();
  }

  #noAnswer(): TdError {
    return new TdError('timeout', `"${this.dir}" does not answer; check the server and the network`);
  }
}
