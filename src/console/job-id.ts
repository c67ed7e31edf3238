import { randomBytes } from 'node:crypto';

/** `20260131-142530-1f3a`: sorts by time, can be read aloud, and is unique enough for one console. */
export function newJobId(now: Date = new Date()): string {
  const digits = now
    .toISOString()
    .replace(/[-:]|\.\d+Z/g, '')
    .replace('T', '-');
  return `${digits}-${randomBytes(2).toString('hex')}`;
}
