import { readFile } from 'node:fs/promises';
import { loadIdentity } from '../../control/identity.ts';
import { errorLine, TdError } from '../../lib/errors.ts';
import { templateJsonSchema } from '../../schema/template.ts';
import type { FieldProblem } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { Secrets } from '../secrets.ts';
import { checkTemplateText, problemLine, TEMPLATE_BYTES_MAX } from '../template-check.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { printable } from './image-info.ts';
import { plural } from './text-table.ts';

/**
 * `template validate`: every problem of every file. Sealed passwords are tried where a console's identity is.
 *
 * @throws TdError `invalid` after all were printed.
 */
export async function validateTemplates(
  files: readonly string[],
  { flags, context }: { flags: { data: string; json?: true }; context: ConsoleCommandContext },
): Promise<void> {
  const secrets = await knownSecrets(flags.data);
  const results: { file: string; problems: FieldProblem[] }[] = [];
  for (const file of files) results.push({ file, problems: await problemsOf(file, secrets) });
  if (flags.json === true) context.out(`${JSON.stringify(results, null, 2)}\n`);
  else for (const result of results) context.out(resultText(result));
  const wrong = results.filter(({ problems }) => problems.length > 0).length;
  if (wrong > 0) {
    throw new TdError('invalid', `${wrong} of ${plural(files.length, 'file')} cannot be used as a template`);
  }
}

/** `template schema`. */
export function printSchema(context: ConsoleCommandContext): void {
  context.out(`${JSON.stringify(templateJsonSchema(), null, 2)}\n`);
}

function resultText({ file, problems }: { file: string; problems: readonly FieldProblem[] }): string {
  const head = problems.length === 0 ? `${file}: good` : `${file}: ${plural(problems.length, 'problem')}`;
  const lines = problems.map((problem) => `  ${problemLine(problem)}`);
  return `${[head, ...lines].map(printable).join('\n')}\n`;
}

async function problemsOf(file: string, secrets: Secrets | undefined): Promise<FieldProblem[]> {
  try {
    const text = await readFile(file, 'utf8');
    if (Buffer.byteLength(text) <= TEMPLATE_BYTES_MAX) return checkTemplateText(text, secrets).problems;
    return [{ path: '', message: `it is bigger than ${TEMPLATE_BYTES_MAX} bytes` }];
  } catch (error) {
    return [{ path: '', message: `it cannot be read: ${errorLine(error)}` }];
  }
}

async function knownSecrets(dataDir: string): Promise<Secrets | undefined> {
  try {
    return new Secrets(await loadIdentity(consolePaths(dataDir).identity));
  } catch (error) {
    if (error instanceof TdError && error.code === 'not-found') return undefined;
    throw error;
  }
}
