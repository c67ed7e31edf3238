import { TdError } from '../../lib/errors.ts';

/** One word that a POSIX shell takes literally. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Splits a line of arguments as a shell would, with single and double quotes and backslashes; nothing is expanded.
 *
 * @throws TdError `invalid` when a quote is not closed.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const char = line[i] as string;
    if (quote !== '' && char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
      word ??= '';
    } else if (char === '\\' && quote !== "'" && escapes(line[i + 1], quote)) {
      i += 1;
      word = (word ?? '') + line[i];
    } else if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw new TdError('invalid', `Cannot read arguments: a quote ${quote} is not closed`);
  return word === undefined ? words : [...words, word];
}

/** In double quotes a backslash is itself before any other character (POSIX Shell Command Language, 2.2.3). */
function escapes(next: string | undefined, quote: string): boolean {
  return next !== undefined && (quote === '' || ['"', '\\', '$', '`'].includes(next));
}
