import { TdError } from '../../lib/errors.ts';
import type { SystemRoot } from '../system-root.ts';

/** The text of a settings file; empty when there is none, or something else in its place. */
export async function configText(root: SystemRoot, path: string): Promise<string> {
  try {
    return await root.readText(path);
  } catch (error) {
    const isFile = (await root.stat(path).catch(() => undefined))?.isFile() ?? false;
    // One that is too large must not be taken for an empty one, and written so.
    if (error instanceof TdError && !isFile) return '';
    throw error;
  }
}

/** `KEY=value` of a file of shell assignments (os-release(5), sysconfig); the last one counts. */
export function assignmentOf(text: string, key: string): string | undefined {
  const line = lastLine(text, assignment(key));
  const value = line?.slice(line.indexOf('=') + 1).trim();
  const quoted = value === undefined ? null : /^(["'])(.*?)\1/.exec(value);
  return quoted ? quoted[2] : value?.replace(/\s+#.*$/, '');
}

/** Replaces the assignment of `key`, or adds one. */
export function withAssignment(text: string, key: string, value: string): string {
  const pattern = assignment(key);
  const kept = lines(text).filter((line) => !pattern.test(line));
  return textOf([...kept, `${key}=${value}`]);
}

export function withoutAssignment(text: string, key: string): string {
  const pattern = assignment(key);
  return textOf(lines(text).filter((line) => !pattern.test(line)));
}

/** Lines without the end of the last one. */
export function lines(text: string): string[] {
  const all = text.split(/\r?\n/);
  if (all.at(-1) === '') all.pop();
  return all;
}

export function textOf(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

function assignment(key: string): RegExp {
  return new RegExp(`^\\s*(?:export\\s+)?${key}\\s*=`);
}

function lastLine(text: string, pattern: RegExp): string | undefined {
  return lines(text).findLast((line) => pattern.test(line));
}
