import type { ConsoleEvent } from './store.ts';

/** `2026-03-02 08:15:00  JOB  WARN: text`. */
export function logLine(event: ConsoleEvent): string {
  const at = event.at.replace('T', ' ').replace(/\.\d+Z$/, '');
  const level = event.level === 'info' ? '' : `${event.level.toUpperCase()}: `;
  return `${at}  ${event.jobId ?? '-'}  ${level}${event.text}`;
}
