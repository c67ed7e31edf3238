import { resolve } from 'node:path';
import { TdError } from '../../lib/errors.ts';
import type { LicenceStatus } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { connectConsole } from '../rpc-client.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { textTable } from './text-table.ts';

export interface LicenceFlags {
  data: string;
  json?: true;
}

/** `licence [show]`, `licence load FILE`, `licence substitute auto|ask`: each shows what is used then. */
export async function runLicence(
  words: readonly string[],
  { flags, context }: { flags: LicenceFlags; context: ConsoleCommandContext },
): Promise<void> {
  const [method, params] = licenceCall(words);
  await using client = await connectConsole(consolePaths(flags.data).socket);
  const status = (await client.call(method, params)) as LicenceStatus;
  context.out(flags.json === true ? `${JSON.stringify(status, null, 2)}\n` : licenceText(status));
}

function licenceCall([action = 'show', value, more]: readonly string[]): [method: string, params: object] {
  if (action === 'show' && value === undefined) return ['licences', {}];
  if (action === 'load' && value !== undefined && more === undefined) {
    return ['licences.load', { path: resolve(value) }];
  }
  if (action === 'substitute' && (value === 'auto' || value === 'ask') && more === undefined) {
    return ['licences.substitute', { substitute: value }];
  }
  throw new TdError(
    'usage',
    `Cannot do "licence ${[action, value, more].filter(Boolean).join(' ')}": write licence show, licence load FILE or licence substitute auto|ask`,
  );
}

function licenceText(status: LicenceStatus): string {
  if (!status.enforced) return 'No licence is loaded: the number of computers is not limited.\n';
  const { holder, server, workstation, substitute, computers, problem } = status;
  const may = substitute === 'auto' ? 'by itself' : 'only when asked (licence substitute auto)';
  return [
    problem === undefined ? `Licence of ${holder}\n` : `${problem}\n`,
    `Servers       ${server.used} of ${server.bought} used\n`,
    `Workstations  ${workstation.used} of ${workstation.bought} used\n`,
    `A server licence stands in for a workstation ${may}.\n`,
    computers.length === 0
      ? ''
      : `\n${textTable(
          ['COMPUTER', 'LICENCE', 'SINCE'],
          computers.map((one) => [one.name, one.kind, one.since]),
        )}`,
  ].join('');
}
