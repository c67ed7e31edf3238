import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { dword, text } from '../registry-hive/value-data.ts';
import { type FirstStart, isEmptyFirstStart } from './first-start.ts';
import { FIRST_START_COMMAND, firstStartFiles } from './first-start-files.ts';
import { networkText } from './network-settings.ts';
import { writeSecretFiles } from './secret-files.ts';
import { valueNumber, valueText } from './windows-facts.ts';
import type { WindowsSystem } from './windows-system.ts';

/** Run the command, then go on to the logon screen without a restart. */
const SETUP_THEN_LOGON = 2;

/** @param firstStart as it is when this is applied: drivers that fit are added to it by the edits before. */
export function firstStartEdit(firstStart: FirstStart): Edit<WindowsSystem> {
  return {
    text: firstStartText(firstStart),
    async apply(system) {
      const { hives, facts } = system;
      if (isEmptyFirstStart(firstStart)) return 'there is nothing to do then';
      enterInSetup(await hives.open('SYSTEM'), FIRST_START_COMMAND);
      await writeSecretFiles(system, firstStartFiles(firstStart, { facts, startedBy: 'setup' }));
      return undefined;
    },
  };
}

/** In words without secrets: the arguments of a program may hold a password or a key. */
export function firstStartText({ users, domain, network, programs }: FirstStart): string {
  const steps = [
    ...users.map(({ name }) => `make the user "${name}"`),
    ...(network === undefined ? [] : [networkText(network.settings, { inSentence: true })]),
    ...(domain === undefined ? [] : [`join the domain ${domain.name}`]),
    ...programs.map(({ path }) => `run "${path}"`),
  ];
  return `At the first start ${steps.join(', ') || 'install the added drivers'}`;
}

/**
 * Windows runs the command as SYSTEM at its next start, before anyone logs on, with its services running: unlike
 * Setup itself this leaves `SystemSetupInProgress` alone. The command has to undo both values.
 */
function enterInSetup(system: Hive, commandLine: string): void {
  const waiting = valueText(system, 'Setup', 'CmdLine');
  if ((valueNumber(system, 'Setup', 'SetupType') ?? 0) !== 0 && waiting !== commandLine) {
    throw new TdError(
      'refused',
      `Cannot enter the first-start script: Windows is to run "${waiting}" at its next start; finish its setup on the master and capture it again`,
    );
  }
  const setup = system.root.ensure('Setup');
  setup.set('CmdLine', text(commandLine));
  setup.set('SetupType', dword(SETUP_THEN_LOGON));
}
