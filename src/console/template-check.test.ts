import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkTemplate, checkTemplateText, problemLine, templateError } from './template-check.ts';

const SMALL = { version: 1, name: 'lab', image: 'office' };
const lines = (text: string) => checkTemplateText(text).problems.map(problemLine);

describe('checking a template', () => {
  it.each([
    ['{"a": x}', "Unexpected token 'x' at line 1, column 7"],
    ['{"a":\n 1,}', 'Expected double-quoted property name at line 2, column 4'],
    ['{\n\n  "a": 1\n  "b": 2}', 'at line 4, column 3'],
    ['{\n  "a": "never ends', 'Unterminated string at line 2'],
    ['\uFEFF{"a":\n  ,', "Unexpected token ',' at line 2, column 3"],
    ['', 'Unexpected end of JSON input at line 1, column 1'],
    ['[1, 2', 'at line 1, column 6'],
    ['{} trailing', 'at line 1, column 4'],
  ])('names the place in broken JSON %j', (text, message) => {
    expect(lines(text)).toEqual([expect.stringContaining(`it is no JSON: `)]);
    expect(lines(text)[0]).toContain(message);
  });

  it('finds the place of any damage without throwing', () => {
    const text = JSON.stringify({ ...SMALL, table: [{ mac: 'a' }], run: { wake: true } }, null, 2);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, piece) => {
        const [line = ''] = lines(text.slice(0, at) + piece + text.slice(at + 1));
        if (!line.includes('no JSON')) return;
        const place = /at line (\d+), column (\d+)$/.exec(line);
        expect(place, line).not.toBeNull();
        expect(Number(place?.[1])).toBeGreaterThan(text.slice(0, at).split('\n').length - 1);
      }),
    );
  });

  it('names every problem at its path in plain words', () => {
    const value = {
      ...{ version: 1, name: '../x', after: 'x', comment: 3, disk: 99, users: 5, surprise: 1 },
      ...{ run: { wake: 3 }, network: { kind: 'foo' }, freeSpace: 'q', table: [{ mac: 'x', at: 1 }] },
    };
    expect(lines(JSON.stringify(value))).toEqual([
      'name: use letters, digits, space, dot, dash and underscore',
      'comment: must be a text',
      'image: is missing',
      'disk: must be at most 15',
      'freeSpace: use keep, grow-last, proportional',
      'users: must be a list',
      'network.kind: use keep, dhcp, static or table',
      'table.0.mac: use e.g. 52:54:00:12:34:56 in lower case',
      'table.0.at: is not a known setting',
      'after: use shutdown, restart, wait',
      'run.wake: must be true or false',
      'surprise: is not a known setting',
    ]);
  });

  it('refuses a newer version plainly, whatever else is in it', () => {
    expect(lines('{"version": 2, "name": {}}')).toEqual([
      'version: it is of version 2, this program knows version 1; use a newer program',
    ]);
  });

  it('refuses a disk rule that nobody understands', () => {
    expect(checkTemplate({ ...SMALL, targetDisk: 'colour=red' }).problems).toEqual([
      { path: 'targetDisk', message: expect.stringContaining('not understood at "colour=red"') },
    ]);
  });

  it('survives what is deep, big or no object', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const text of [deep, `{"users":${deep}}`, 'null', '"x"', '3', '{"__proto__":{"version":1}}']) {
      expect(checkTemplateText(text)).toMatchObject({ template: undefined });
    }
    const many = Array.from({ length: 3000 }, (_, i) => ({ mac: `52:54:00:00:00:${i % 10}0` }));
    expect(lines(JSON.stringify({ ...SMALL, table: many }))).toContain('table: must be at most 2000 entries');
    expect(({} as { version?: number }).version).toBeUndefined();
  });

  it('makes one line of many problems', () => {
    const problems = ['a', 'b', 'c', 'd', 'e'].map((path) => ({ path, message: 'is wrong' }));
    expect(templateError('save it', problems).message).toBe(
      'Cannot save it: a: is wrong; b: is wrong; c: is wrong; and 2 more',
    );
  });
});
