import { readFile, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { errorLine, TdError } from '../../lib/errors.ts';
import { checked } from '../checked-params.ts';
import { type PreparationParts, planDeploy } from '../deploy-preparation.ts';
import type { RpcMethods } from '../rpc-server.ts';
import { parseTable } from '../table-csv.ts';
import { checkTemplate } from '../template-check.ts';

const TABLE_BYTES_MAX = 1_000_000;

const nameParams = z.strictObject({ name: z.string().min(1).max(200) });
const saveParams = z.strictObject({ template: z.unknown(), replace: z.boolean().default(false) });
const checkParams = z.strictObject({ template: z.unknown() });
const tableParams = z.strictObject({
  path: z.string().max(4096).refine(isAbsolute, 'give the full path of the file'),
});

/** Templates, and what a deployment with one would do. */
export function templateMethods(parts: PreparationParts): RpcMethods {
  const { templates, secrets } = parts;
  return {
    'template.list': async () => templates.list(),
    'template.get': async ({ params }) => templates.get(checked(nameParams, params).name),
    'template.save': async ({ params }) => {
      const { template, replace } = checked(saveParams, params);
      return templates.save(template, { replace });
    },
    'template.delete': async ({ params }) => templates.delete(checked(nameParams, params).name),
    'template.check': async ({ params }) =>
      checkTemplate(checked(checkParams, params).template, secrets).problems,
    'template.table': async ({ params }) => {
      const { path } = checked(tableParams, params);
      return parseTable(await readTable(path), path);
    },
    plan: async ({ params }) => planDeploy(parts, params),
  };
}

async function readTable(path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new TdError('io', `Cannot read the table "${path}": ${why}`, { cause });
  let bytes: Buffer;
  try {
    const { size, isFile } = await stat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
    if (!isFile) throw refuse('it is no file');
    if (size > TABLE_BYTES_MAX) throw refuse(`it is bigger than ${TABLE_BYTES_MAX} bytes`);
    bytes = await readFile(path);
  } catch (cause) {
    throw cause instanceof TdError ? cause : refuse(errorLine(cause), cause);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse('it is not UTF-8 text; save it as "CSV UTF-8"', cause);
  }
}
