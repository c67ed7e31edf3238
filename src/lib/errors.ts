/** Stable machine-readable reasons; `main.ts` alone maps them to exit codes. */
export type ErrorCode =
  | 'usage' // the call itself is wrong: exit 2
  | 'not-found'
  | 'invalid' // data from outside does not have the promised shape
  | 'damaged' // data was written by us and is no longer what we wrote
  | 'incomplete' // an image or a transfer that was never finished
  | 'refused' // possible, but unsafe: pre-flight said no
  | 'no-space'
  | 'io'
  | 'network'
  | 'untrusted' // certificate, site key or signature did not match
  | 'timeout'
  | 'cancelled'
  | 'tool-failed' // a program we called failed
  | 'partial'; // some targets failed: exit 3

/**
 * An error for people: one line that says action, value, state and what to do,
 * e.g. `Cannot read "/images/a.sco": the file is truncated; copy it again`.
 */
export class TdError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'TdError';
    this.code = code;
  }
}

/** The one-line text of anything thrown, without a stack trace. */
export function errorLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

/** The system's error number name (`ENOSPC`, `ENOENT` …) of anything thrown, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
