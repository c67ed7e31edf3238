import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import * as limits from './limits.ts';

const values: Record<string, number> = { ...limits };
const page = await readFile(new URL('PROTOCOL.md', import.meta.url), 'utf8');

describe('PROTOCOL.md', () => {
  it('gives the limits that the code has', () => {
    const rows = [...page.matchAll(/^\| [^|]+ \| ([\d,]+) \| `([A-Z_]+)` \|$/gm)];
    expect(rows.length).toBeGreaterThan(10);
    for (const [, value, name] of rows) {
      expect({ name, value: values[name!] }).toEqual({
        name,
        value: Number(value!.replaceAll(',', '')),
      });
    }
  });

  it('names no constant that the code does not have, and the same values in the text', () => {
    const named = [...page.matchAll(/`([A-Z][A-Z_]+_[A-Z_]+)`(?: = ([\d.]+)( s)?)?/g)];
    for (const [, name, value, seconds] of named) {
      const actual = values[name!];
      expect(actual, name).toBeDefined();
      if (value !== undefined) expect(actual, name).toBe(Number(value) * (seconds === undefined ? 1 : 1000));
    }
  });
});
