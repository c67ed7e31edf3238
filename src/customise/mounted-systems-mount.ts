import { mkdir, readFile } from 'node:fs/promises';
import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { type RunOptions, run } from '../lib/spawn.ts';
import { ntfsMountOptions } from './windows/ntfs-mount.ts';

/** Replaying the journal of a large volume takes its time. */
const MOUNT_MS_MAX = 300_000;
const UNMOUNT_MS_MAX = 300_000;
const BUSY_TRIES_MAX = 10;
const BUSY_WAIT_MS = 500;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

export interface MountRequest {
  device: string;
  /** For mount(8), or `ntfs-3g`. */
  type: string;
  dir: string;
  readOnly: boolean;
  /** `subvol=…` of btrfs; else empty. */
  subvolume: string;
  /** For ntfs-3g: who owns what is made. */
  userMapping: string;
}

/**
 * Mounts one volume.
 *
 * @throws TdError `refused` when it can only be read but is to be written; `tool-failed`.
 */
export async function mountVolume(request: MountRequest, signal: AbortSignal): Promise<void> {
  const { device, type, dir, readOnly, subvolume, userMapping } = request;
  const access = readOnly ? 'ro' : 'rw';
  await mkdir(dir, { recursive: true });
  const options = { timeoutMs: MOUNT_MS_MAX, signal };
  if (type === 'ntfs-3g') {
    const list = readOnly ? [access] : [access, ...ntfsMountOptions(userMapping)];
    await mountBy('ntfs-3g', ['-o', list.join(','), device, dir], options);
  } else {
    const list = [access, 'nosuid', 'nodev', 'noatime', ...(subvolume === '' ? [] : [subvolume])];
    await mountBy('mount', ['-t', type, '-o', list.join(','), device, dir], options);
  }
  if (readOnly || (await isWritable(dir))) return;
  await unmountVolume(dir);
  throw new TdError(
    'refused',
    'its file system can only be read: it was not closed, or Windows is hibernated; shut the master down fully and capture it again',
  );
}

/** With all it said: the reason stands in its first line. */
async function mountBy(program: string, args: readonly string[], options: RunOptions): Promise<void> {
  const { code, stdout, stderr } = await run(program, args, { ...options, okCodes: ANY_CODE });
  if (code === 0) return;
  const said = `${stderr} ${stdout}`.replace(/\s+/g, ' ').trim().slice(0, 500);
  throw new TdError('tool-failed', said === '' ? `${program} ended with ${code}` : said);
}

/** ntfs-3g mounts what it must not write to for reading, and says so only in passing. */
async function isWritable(dir: string): Promise<boolean> {
  const fields = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' '));
  const own = fields.findLast((each) => each[4] === dir.replaceAll(' ', '\\040'));
  const ofVolume = own?.[own.indexOf('-') + 3] ?? '';
  return [own?.[5] ?? '', ofVolume].every((options) => options.split(',').includes('rw'));
}

/**
 * Takes a mount away, everything written first.
 *
 * @throws TdError `io` when somebody still uses it; it goes as soon as nobody does.
 */
export async function unmountVolume(dir: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run('umount', [dir], { timeoutMs: UNMOUNT_MS_MAX });
      return;
    } catch (cause) {
      const isBusy = /busy/i.test(errorLine(cause));
      if (isBusy && attempt < BUSY_TRIES_MAX) {
        await sleep(BUSY_WAIT_MS);
        continue;
      }
      await run('umount', ['--lazy', dir]).catch(() => {});
      throw new TdError('io', `Cannot unmount the deployed system: ${errorLine(cause)}`, { cause });
    }
  }
}
