import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { type FirstStart, isEmptyFirstStart } from './first-start.ts';
import { FIRST_START_COMMAND, firstStartFiles } from './first-start-files.ts';
import { networkText } from './network-settings.ts';
import { type SecretFile, writeSecretFiles } from './secret-files.ts';
import { commandLinesPath, mergeCommandLines, mergeSysprepInf } from './sysprep-inf.ts';
import { mergeUnattend, type SetupAnswers } from './unattend.ts';
import { valueText } from './windows-facts.ts';
import { isVistaOrLater, type WindowsFacts, type WindowsSystem } from './windows-system.ts';

type Answers = Omit<SetupAnswers, 'command'>;

const MINI_SETUP_FILE = 'Sysprep/sysprep.inf';
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
      const { facts } = system;
      const isVista = isVistaOrLater(facts);
      // Mini-Setup of XP makes no users.
      const own = isVista ? firstStart : { ...firstStart, users: answers.users };
      const hasOwn = !isEmptyFirstStart(own);
      const files = hasOwn ? firstStartFiles(own, { facts, startedBy: 'answer-file' }) : [];
      const command = hasOwn ? FIRST_START_COMMAND : undefined;
      const answered = await (isVista ? unattendFiles : miniSetupFiles)(system, answers, command);
      await writeSecretFiles(system, [...files, ...answered]);
      return undefined;
    },
  };
}

async function unattendFiles(
  system: WindowsSystem,
  answers: Answers,
  command: string | undefined,
): Promise<SecretFile[]> {
  const { hives, root, facts } = system;
  const registry = await hives.open('SYSTEM');
  const [found] = await answerFiles(system, registry);
  const path = cachedAnswerFile(facts);
  const data = await mergeUnattend(
    found === undefined ? undefined : await root.read(found, { bytesMax: ANSWER_FILE_BYTES_MAX }),
    { ...answers, ...(command && { command }) },
    { architecture: facts.architecture, what: found ?? path },
  );
  // Setup would find these before the merged one.
  registry.key('Setup')?.delete('UnattendFile');
  return [
    { path, data },
    { path: preferredAnswerFile(facts), data: undefined },
  ];
}

/** XP and Server 2003 remove their folder `Sysprep` themselves. */
async function miniSetupFiles(
  { root, facts }: WindowsSystem,
  answers: Answers,
  command: string | undefined,
): Promise<SecretFile[]> {
  const read = async (path: string) =>
    (await root.exists(path)) ? root.read(path, { bytesMax: ANSWER_FILE_BYTES_MAX }) : undefined;
  const what = MINI_SETUP_FILE;
  const folder = command === undefined ? {} : { installFiles: `${facts.systemDrive}\\Sysprep\\i386` };
  const { bytes, installFiles } = mergeSysprepInf(await read(what), answers, { what, ...folder });
  const answered = { path: what, data: bytes };
  if (command === undefined) return [answered];
  const path = onVolume(commandLinesPath(installFiles), facts);
  // Setup reads this list as an INF file, where % starts the name of a string.
  const plain = command.replace('%SystemRoot%', `${facts.systemDrive}\\${facts.systemDir}`);
  return [answered, { path, data: mergeCommandLines(await read(path), plain, { what: path }) }];
}

/** @param path with a drive, as Setup writes it; @throws TdError `refused` when it is on another one. */
function onVolume(path: string, { systemDrive }: WindowsFacts): string {
  const named = path.replace(/^%SystemDrive%/i, systemDrive);
  if (named.toUpperCase().startsWith(`${systemDrive}\\`)) return named.slice(systemDrive.length);
  throw new TdError(
    'refused',
    `Cannot use "${path}" that the setup of this Windows names: it is not on ${systemDrive}; change that on the master`,
  );
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
  const { systemDir } = facts;
  const named = valueText(registry, 'Setup', 'UnattendFile');
  const places = [
    ...(named === '' ? [] : [onVolume(named, facts)]),
    preferredAnswerFile(facts),
    cachedAnswerFile(facts),
    `${systemDir}/System32/Sysprep/unattend.xml`,
    'unattend.xml',
  ];
  const there = await Promise.all(places.map(async (path) => (await root.stat(path))?.isFile() === true));
  return places.filter((_path, i) => there[i]);
}
