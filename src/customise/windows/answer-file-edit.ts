import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { type FirstStart, isEmptyFirstStart } from './first-start.ts';
import { FIRST_START_COMMAND, firstStartFiles } from './first-start-files.ts';
import { networkText } from './network-settings.ts';
import { writeSecretFiles } from './secret-files.ts';
import { mergeUnattend, type SetupAnswers } from './unattend.ts';
import { valueText } from './windows-facts.ts';
import type { WindowsFacts, WindowsSystem } from './windows-system.ts';

type Answers = Omit<SetupAnswers, 'command'>;

const ANSWER_FILE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Leaves names, accounts and addresses of a generalised system to its own Setup, which would ask for them or undo them.
 *
 * @param options.firstStart what remains for our script; as it is when this is applied.
 */
export function answerFileEdit(answers: Answers, options: { firstStart: FirstStart }): Edit<WindowsSystem> {
  const { firstStart } = options;
  return {
    text: `Let Windows Setup ${answersText(answers, firstStart)}`,
    async apply(system) {
      const { hives, root, facts } = system;
      const registry = await hives.open('SYSTEM');
      const command = isEmptyFirstStart(firstStart) ? {} : { command: FIRST_START_COMMAND };
      const files = isEmptyFirstStart(firstStart)
        ? []
        : firstStartFiles(firstStart, { facts, startedBy: 'answer-file' });
      const [found] = await answerFiles(system, registry);
      const existing =
        found === undefined ? undefined : await root.read(found, { bytesMax: ANSWER_FILE_BYTES_MAX });
      const path = cachedAnswerFile(facts);
      const data = await mergeUnattend(
        existing,
        { ...answers, ...command },
        { architecture: facts.architecture, what: found ?? path },
      );
      registry.key('Setup')?.delete('UnattendFile');
      await writeSecretFiles(system, [
        ...files,
        { path, data },
        // Setup would find it before the merged one.
        { path: preferredAnswerFile(facts), data: undefined },
      ]);
      return undefined;
    },
  };
}

function answersText(
  { computerName, membership, network, users }: Answers,
  { programs }: FirstStart,
): string {
  const steps = [
    ...(computerName === undefined ? [] : [`name the computer ${computerName}`]),
    ...(membership.kind === 'keep' ? [] : [`join the ${membership.kind} ${membership.name}`]),
    ...(network === undefined ? [] : [networkText(network.settings, { inSentence: true })]),
    ...users.map(({ name }) => `make the user "${name}"`),
    ...programs.map(({ path }) => `run "${path}"`),
  ];
  return `${steps.join(', ') || 'install the added drivers'} (this Windows was prepared by sysprep)`;
}

/** The only one that Setup clears of passwords when it is done with it. */
function cachedAnswerFile({ systemDir }: WindowsFacts): string {
  return `${systemDir}/Panther/unattend.xml`;
}

function preferredAnswerFile({ systemDir }: WindowsFacts): string {
  return `${systemDir}/Panther/Unattend/unattend.xml`;
}

/** Those that are there, in the order in which Setup looks for them (Microsoft, "Windows Setup Automation Overview"). */
async function answerFiles({ root, facts }: WindowsSystem, registry: Hive): Promise<string[]> {
  const { systemDir, systemDrive } = facts;
  const named = valueText(registry, 'Setup', 'UnattendFile');
  if (named !== '' && !named.toUpperCase().startsWith(`${systemDrive}\\`)) {
    throw new TdError(
      'refused',
      `Cannot use the answer file "${named}" that this Windows names: it is not on ${systemDrive}; take the value UnattendFile out of SYSTEM\\Setup on the master`,
    );
  }
  const places = [
    ...(named === '' ? [] : [named.slice(systemDrive.length)]),
    preferredAnswerFile(facts),
    cachedAnswerFile(facts),
    `${systemDir}/System32/Sysprep/unattend.xml`,
  ];
  const there = await Promise.all(places.map(async (path) => (await root.stat(path))?.isFile() === true));
  return places.filter((_path, i) => there[i]);
}
