import type { ErrorCode } from '../lib/errors.ts';

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  invalid: 400,
  untrusted: 401,
  'not-found': 404,
  refused: 409,
  damaged: 422,
  incomplete: 422,
  timeout: 408,
  'no-space': 507,
};

/** HTTP status the image service answers an error with; 500 for what has none of its own. */
export function statusOfCode(code: ErrorCode): number {
  return STATUS_OF_CODE[code] ?? 500;
}

/** The reason a status of the image service stands for. */
export function codeOfStatus(status: number): ErrorCode {
  const found = Object.entries(STATUS_OF_CODE).find(
    ([code, known]) => known === status && code !== 'usage' && code !== 'incomplete',
  );
  return (found?.[0] as ErrorCode | undefined) ?? 'io';
}
