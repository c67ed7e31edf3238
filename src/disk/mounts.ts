import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface Mount {
  /** `MAJOR:MINOR` of the mounted filesystem. */
  deviceNumber: string;
  mountPoint: string;
  fsType: string;
  /** As given to mount, e.g. `/dev/sda1` or `server:/share`. */
  source: string;
}

const MOUNTS_MAX = 100_000;
const STACK_DEPTH_MAX = 8;

/** Decodes `/proc/self/mountinfo` (proc_pid_mountinfo(5)); lines of another shape are left out. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ', 2);
    if (before === undefined || after === undefined) continue;
    const fields = before.split(' ');
    const [fsType, source] = after.split(' ');
    const deviceNumber = fields[2];
    const mountPoint = fields[4];
    if (!deviceNumber || !/^\d+:\d+$/.test(deviceNumber) || !mountPoint || !fsType || !source) continue;
    mounts.push({
      deviceNumber,
      mountPoint: unescapeOctal(mountPoint),
      fsType,
      source: unescapeOctal(source),
    });
    if (mounts.length >= MOUNTS_MAX) break;
  }
  return mounts;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

export async function listMounts(): Promise<Mount[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));
}

/** The mount a path lies on: the longest mount point above it, the last one of equals. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const root = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    if (path !== mount.mountPoint && !path.startsWith(root)) continue;
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount;
  }
  return best;
}

/** `MAJOR:MINOR` of a `st_rdev` or `st_dev` as Node gives it (glibc's gnu_dev_major and gnu_dev_minor). */
export function deviceNumberText(rdev: number): string {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** The sysfs folder of a block device, e.g. `/sys/devices/…/block/sda/sda1`, or undefined. */
export async function sysfsPathOf(deviceNumber: string): Promise<string | undefined> {
  return await realpath(`/sys/dev/block/${deviceNumber}`).catch(() => undefined);
}

/**
 * Kernel names of the whole disks that hold what is mounted: through partitions, device mapper, RAID
 * and loop files. Empty for filesystems without a block device.
 */
export async function disksBehindMount(mount: Mount): Promise<string[]> {
  // Btrfs and a few others mount an anonymous device number: the source names the device then.
  const direct = await sysfsPathOf(mount.deviceNumber);
  if (direct !== undefined) return await disksBehind(direct, 0);
  if (!mount.source.startsWith('/dev/')) return [];
  const found = await stat(mount.source).catch(() => undefined);
  if (found === undefined || !found.isBlockDevice()) return [];
  const path = await sysfsPathOf(deviceNumberText(found.rdev));
  return path === undefined ? [] : await disksBehind(path, 0);
}

async function disksBehind(sysfsPath: string, depth: number): Promise<string[]> {
  if (depth > STACK_DEPTH_MAX) return [];
  const isPartition = (await readFile(join(sysfsPath, 'partition'), 'utf8').catch(() => '')) !== '';
  if (isPartition) return await disksBehind(dirname(sysfsPath), depth + 1);
  const names = [basename(sysfsPath)];
  for (const slave of await readdir(join(sysfsPath, 'slaves')).catch(() => [])) {
    const path = await realpath(join(sysfsPath, 'slaves', slave)).catch(() => undefined);
    if (path !== undefined) names.push(...(await disksBehind(path, depth + 1)));
  }
  const backing = (await readFile(join(sysfsPath, 'loop/backing_file'), 'utf8').catch(() => '')).trim();
  if (backing !== '') {
    const path = await sysfsPathOfBacking(backing);
    if (path !== undefined) names.push(...(await disksBehind(path, depth + 1)));
  }
  return [...new Set(names)];
}

/** The device a loop device's file lies on, or the device that is its file. */
async function sysfsPathOfBacking(backing: string): Promise<string | undefined> {
  const found = await stat(backing).catch(() => undefined);
  if (found?.isBlockDevice()) return await sysfsPathOf(deviceNumberText(found.rdev));
  const mount = mountOf(backing, await listMounts());
  return mount === undefined ? undefined : await sysfsPathOf(mount.deviceNumber);
}

/** Where a disk, or a partition of it, is mounted or used as swap; for the message that refuses it. */
export async function usesOfDisk(kernelName: string): Promise<string[]> {
  const uses: string[] = [];
  for (const mount of await listMounts()) {
    if (!mount.source.startsWith('/dev/')) continue;
    if ((await disksBehindMount(mount)).includes(kernelName)) uses.push(`mounted at ${mount.mountPoint}`);
  }
  const swaps = (await readFile('/proc/swaps', 'utf8').catch(() => '')).split('\n').slice(1);
  for (const line of swaps) {
    const path = line.split(/\s/)[0] ?? '';
    const found = path.startsWith('/dev/') ? await stat(path).catch(() => undefined) : undefined;
    if (found === undefined || !found.isBlockDevice()) continue;
    const sysfs = await sysfsPathOf(deviceNumberText(found.rdev));
    if (sysfs !== undefined && (await disksBehind(sysfs, 0)).includes(kernelName))
      uses.push(`swap on ${path}`);
  }
  return [...new Set(uses)];
}
