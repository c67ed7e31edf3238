import { TdError } from '../../lib/errors.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { passwordFrom } from './password-file.ts';

const CHARACTERS_MAX = 256;

/**
 * A password from a file, else typed at the terminal, which shows nothing of it.
 *
 * @throws TdError `usage` when there is neither file nor terminal; `cancelled` by Ctrl-C.
 */
export async function askedPassword(
  question: string,
  options: { file: string | undefined; context: Pick<ConsoleCommandContext, 'terminal' | 'note'> },
): Promise<string> {
  const { file, context } = options;
  if (file !== undefined) return await passwordFrom(file);
  const { terminal } = context;
  if (terminal === undefined) {
    throw new TdError('usage', `${question}: give it with --password-file FILE (- reads standard input)`);
  }
  context.note(`${question}: `);
  const { input } = terminal;
  input.setRawMode?.(true);
  try {
    return await typedLine(input);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    context.note('\n');
  }
}

function typedLine(input: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const end = (settle: () => void) => {
      input.off('data', onData);
      input.off('end', onEnd);
      settle();
    };
    const onEnd = () => end(() => resolve(typed.join('')));
    const onData = (bytes: Buffer | string) => {
      for (const character of bytes.toString()) {
        if (character === '\r' || character === '\n') return onEnd();
        if (character === '\x03') return end(() => reject(new TdError('cancelled', 'Nothing was typed')));
        if (character === '\x7f' || character === '\b') typed = typed.slice(0, -1);
        else if (character >= ' ' && typed.length < CHARACTERS_MAX) typed.push(character);
      }
    };
    input.on('data', onData);
    input.once('end', onEnd);
    input.resume();
  });
}
