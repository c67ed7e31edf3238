import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import { dword, text } from '../registry-hive/value-data.ts';
import { valueNumber, valueText } from './windows-facts.ts';
import type { WindowsSystem } from './windows-system.ts';

/** Run the command, then go on to the logon screen without a restart. */
const SETUP_THEN_LOGON = 2;

/**
 * Windows runs `commandLine` as SYSTEM at its next start, before anyone logs on, with its services running: unlike
 * Setup itself this leaves `SystemSetupInProgress` alone. The command has to undo both values.
 */
export function firstStartEntryEdit(commandLine: string): Edit<WindowsSystem> {
  return {
    text: 'Run the first-start script before anyone logs on',
    async apply({ hives }) {
      const system = await hives.open('SYSTEM');
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
      return undefined;
    },
  };
}
