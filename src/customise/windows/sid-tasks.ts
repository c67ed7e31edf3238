import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { replaceSid, type SidPattern } from './sid-patterns.ts';
import type { WindowsSystem } from './windows-system.ts';

const TASKS_KEY = 'Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tasks';
const TASK_BYTES_MAX = 4 * 1024 * 1024;
const LEVELS_MAX = 8;

interface TaskFile {
  path: string;
  before: Buffer;
  after: Buffer;
}

/** Scheduled tasks name the account they run as; Windows runs none whose file has another hash than the registry says. */
export async function replaceSidInTaskHashes(
  system: WindowsSystem,
  patterns: readonly SidPattern[],
): Promise<void> {
  const files = await taskFiles(system, patterns);
  const renewed = new Map(files.map(({ before, after }) => [hashOf(before).toString('hex'), hashOf(after)]));
  const tasks = (await system.hives.open('SOFTWARE')).key(TASKS_KEY);
  for (const task of tasks?.subkeys() ?? []) {
    const hash = task.value('Hash');
    const data = hash && renewed.get(hash.data.toString('hex'));
    if (data) task.set('Hash', { type: hash.type, data });
  }
}

/** Gives the files of scheduled tasks the new SID, in place: who may change them stays as it is. */
export async function replaceSidInTasks(
  system: WindowsSystem,
  patterns: readonly SidPattern[],
): Promise<number> {
  const files = await taskFiles(system, patterns);
  for (const { path, after } of files) {
    await using file = await open(await system.root.resolve(path), 'r+');
    await file.writeFile(after);
    await file.sync();
  }
  return files.length;
}

/** All task files that hold the SID. */
async function taskFiles(
  { root, facts }: WindowsSystem,
  patterns: readonly SidPattern[],
): Promise<TaskFile[]> {
  const files: TaskFile[] = [];
  const visit = async (path: string, level: number): Promise<void> => {
    if ((await root.linkTarget(path)) !== undefined) return;
    const stats = await root.stat(path);
    if (stats?.isDirectory() && level < LEVELS_MAX) {
      for (const name of await root.list(path)) await visit(`${path}/${name}`, level + 1);
    }
    if (!stats?.isFile() || stats.size > TASK_BYTES_MAX) return;
    const before = await root.read(path);
    const after = Buffer.from(before);
    if (replaceSid(after, patterns) > 0) files.push({ path, before, after });
  };
  await visit(`${facts.systemDir}/System32/Tasks`, 0);
  return files;
}

function hashOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
