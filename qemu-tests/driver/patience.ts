const FACTOR = Number(process.env.TOTALDEPLOY_TEST_PATIENCE ?? '1');

/** A time limit stretched by `TOTALDEPLOY_TEST_PATIENCE`, for machines slower than two idle cores. */
export function patientMs(timeoutMs: number): number {
  return timeoutMs * (Number.isFinite(FACTOR) && FACTOR > 0 ? FACTOR : 1);
}
