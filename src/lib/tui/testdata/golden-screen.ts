import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** Compares with the file, or with UPDATE_GOLDENS=1 writes it and fails all the same. */
export function expectGolden(file: URL, text: string): void {
  const path = fileURLToPath(file);
  if (process.env.UPDATE_GOLDENS === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${text}\n`);
    throw new Error(`${path} was written anew; look at it`);
  }
  expect(`${text}\n`).toBe(readFileSync(path, 'utf8'));
}
