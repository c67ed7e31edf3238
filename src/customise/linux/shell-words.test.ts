import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { shellWord, splitWords } from './shell-words.ts';

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.replaceAll('\0', ''));
const awkward = fc.oneof(text, fc.string({ unit: fc.constantFrom(...' \'"\\$`!*;&|é%^\n~a') }));

async function shellSplits(line: string): Promise<string[]> {
  const { stdout } = await run('sh', ['-c', `printf '%s\\0' ${line}`]);
  return stdout.split('\0').slice(0, -1);
}

describe('shell words', () => {
  it('reach a real shell as they are, and come back from it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(awkward, { minLength: 1, maxLength: 12 }), async (words) => {
        const wellFormed = words.map((word) => word.toWellFormed());
        const line = wellFormed.map(shellWord).join(' ');
        expect(await shellSplits(line)).toEqual(wellFormed);
        expect(splitWords(line)).toEqual(wellFormed);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['/S  /v"a b"', ['/S', '/va b']],
    [`--name='it''s' "" \\"x\\" a\\ b`, ['--name=its', '', '"x"', 'a b']],
    ['"$HOME \\$x \\n" `id` $(id); &', ['$HOME $x \\n', '`id`', '$(id);', '&']],
    ['  ', []],
    ['end\\', ['end\\']],
  ])('splits %s without expanding anything', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it('refuses an open quote', () => {
    expect(() => splitWords('say "hello')).toThrow('Cannot read arguments: a quote " is not closed');
  });
});
