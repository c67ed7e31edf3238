import type { FirstStart } from './first-start.ts';
import { firstStartBatch } from './first-start-batch.ts';
import { FIRST_START_JSCRIPT } from './first-start-jscript.ts';
import { FIRST_START_POWERSHELL } from './first-start-powershell.ts';
import { type FirstStartStep, firstStartSteps } from './first-start-steps.ts';
import { isWindows8OrLater, type WindowsFacts } from './windows-system.ts';

/** A file below the top of the system's volume. */
export interface FirstStartFile {
  path: string;
  data: Buffer;
}

/** Below the system's folder; all of it is gone after the first start. */
export const FIRST_START_FOLDER = 'TotalDeploy';

/** What has to be started once as the system's own account; cmd itself knows where its system is. */
export const FIRST_START_COMMAND = `cmd.exe /d /c %SystemRoot%\\${FIRST_START_FOLDER}\\firststart.cmd`;

const JSCRIPT_ENGINE = '"%SYS%\\cscript.exe" //nologo "%~dp0firststart.js"';
/** Read and run as text: a policy on script files does not stop it. */
const POWERSHELL_ENGINE =
  '"%SYS%\\WindowsPowerShell\\v1.0\\powershell.exe" -NoLogo -NoProfile -NonInteractive -Command ' +
  `"& ([ScriptBlock]::Create([IO.File]::ReadAllText($env:SystemRoot + '\\${FIRST_START_FOLDER}\\firststart.ps1')))"`;

/**
 * The files of a first start. Every secret is in `settings.json` alone.
 * @param options.startedBy `setup` for `SYSTEM\Setup`, whose values the script puts back.
 */
export function firstStartFiles(
  firstStart: FirstStart,
  options: {
    facts: Pick<WindowsFacts, 'systemDir' | 'release' | 'hasPowerShell'>;
    startedBy: 'setup' | 'answer-file';
  },
): FirstStartFile[] {
  const { facts, startedBy } = options;
  const modern = facts.hasPowerShell && isWindows8OrLater(facts);
  const batch = firstStartBatch({
    startedBySetup: startedBy === 'setup',
    engine: modern ? POWERSHELL_ENGINE : JSCRIPT_ENGINE,
  });
  const texts = {
    'firststart.cmd': batch,
    ...(modern
      ? { 'firststart.ps1': windowsLines(FIRST_START_POWERSHELL) }
      : { 'firststart.js': windowsLines(FIRST_START_JSCRIPT) }),
    'settings.json': asciiJson(firstStartSteps(firstStart, facts)),
  };
  return Object.entries(texts).map(([name, text]) => ({
    path: `${facts.systemDir}/${FIRST_START_FOLDER}/${name}`,
    data: Buffer.from(text, 'ascii'),
  }));
}

/** JSON that is also a JScript expression and reads alike in every code page. */
export function asciiJson(steps: readonly FirstStartStep[]): string {
  return JSON.stringify(steps).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function windowsLines(text: string): string {
  return text.replaceAll('\n', '\r\n');
}
