import { readFile } from 'node:fs/promises';
import { errorLine, TdError } from '../../lib/errors.ts';

/** The first line of a file, or of standard input for `-`: passwords in arguments are for all to see. */
export async function passwordFrom(path: string): Promise<string> {
  try {
    const text = path === '-' ? await readStandardInput() : await readFile(path, 'utf8');
    return text.split('\n', 1)[0]!.replace(/\r$/, '');
  } catch (cause) {
    throw new TdError('usage', `Cannot read the password from "${path}": ${errorLine(cause)}`, { cause });
  }
}

async function readStandardInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
