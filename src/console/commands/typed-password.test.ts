import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { askedPassword } from './typed-password.ts';

function terminal() {
  const input = new PassThrough();
  const modes: boolean[] = [];
  const notes: string[] = [];
  const context = {
    note: (text: string) => void notes.push(text),
    terminal: { input: Object.assign(input, { setRawMode: (raw: boolean) => modes.push(raw) }) },
  } as unknown as ConsoleCommandContext;
  return { input, modes, notes, context };
}

describe('a password that is asked for', () => {
  it('is typed unseen, with mistakes taken back', async () => {
    const { input, modes, notes, context } = terminal();
    const asked = askedPassword('Password of joiner', { file: undefined, context });
    input.write('päsx\x7f');
    input.write('s "1"\rnot any more');
    expect(await asked).toBe('päss "1"');
    expect(modes).toEqual([true, false]);
    expect(notes.join('')).toBe('Password of joiner: \n');
  });

  it('ends with Ctrl-C, and needs a terminal or a file', async () => {
    const { input, modes, context } = terminal();
    const asked = askedPassword('Password', { file: undefined, context });
    input.write('ab\x03');
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    expect(modes).toEqual([true, false]);
    const nobody = { ...context, terminal: undefined };
    await expect(askedPassword('Password', { file: undefined, context: nobody })).rejects.toThrow(
      '--password-file',
    );
  });
});
