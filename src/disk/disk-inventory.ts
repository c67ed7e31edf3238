import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineDisk } from '../schema/machine.ts';
import { readDiskIdentity } from './disk-identity.ts';
import { disksBehindMount, listMounts } from './mounts.ts';

/** Kernel names of what is no disk of the computer: loop, RAM, compressed swap, optical, floppy, mappings, RAID, network. */
const NO_DISKS = /^(loop|ram|zram|sr|fd|dm-|md|nbd|mtdblock|drbd|zd|rbd)/;
/** Hardware partitions of eMMC that hold firmware, not data. */
const NO_DATA = /^mmcblk\d+(boot\d+|rpmb|gp\d+)$/;
const DISKS_MAX = 256;

export interface InventoryOptions {
  /** Defaults to `/sys`. */
  sysRoot?: string;
  /** A file with the kernel name of the disk this computer was booted from; it may be missing. */
  bootMediumPath?: string;
  /** Kernel names of disks that are mounted; found out when missing. */
  mountedDisks?: readonly string[];
}

/**
 * Lists the computer's disks in the kernel's order of names (`nvme0n1`, `sda`, `sdb`, … `sdaa`).
 * The boot medium and every disk that something is mounted from are marked as `bootMedium`.
 */
export async function listDisks(options: InventoryOptions = {}): Promise<MachineDisk[]> {
  const sysRoot = options.sysRoot ?? '/sys';
  const bootMediumPath = options.bootMediumPath ?? '/run/totaldeploy/boot-medium';
  const protectedNames = new Set(options.mountedDisks ?? (await mountedDisks()));
  const bootMedium = (await readFile(bootMediumPath, 'utf8').catch(() => '')).trim();
  if (bootMedium !== '') protectedNames.add(bootMedium);
  const names = (await readdir(join(sysRoot, 'block')).catch(() => [])).sort(compareNames);
  const disks: MachineDisk[] = [];
  for (const name of names) {
    if (NO_DISKS.test(name) || NO_DATA.test(name) || disks.length >= DISKS_MAX) continue;
    const disk = await readDisk(name, sysRoot);
    if (disk !== undefined) disks.push({ ...disk, bootMedium: protectedNames.has(name) });
  }
  return disks;
}

/** `sda` < `sdz` < `sdaa`, `nvme2n1` < `nvme10n1`. */
export function compareNames(a: string, b: string): number {
  const split = (name: string) => /^(.*?)(\d+.*)?$/.exec(name);
  const [left, right] = [split(a)?.[1] ?? a, split(b)?.[1] ?? b];
  const sameKind = left.slice(0, 2) === right.slice(0, 2);
  if (sameKind && left.length !== right.length) return left.length - right.length;
  return a.localeCompare(b, 'en', { numeric: true });
}

async function mountedDisks(): Promise<string[]> {
  const names: string[] = [];
  for (const mount of await listMounts()) names.push(...(await disksBehindMount(mount)));
  return names;
}

async function readDisk(name: string, sysRoot: string): Promise<Omit<MachineDisk, 'bootMedium'> | undefined> {
  const folder = join(sysRoot, 'block', name);
  const number = async (file: string): Promise<number> => {
    const text = (await readFile(join(folder, file), 'utf8').catch(() => '')).trim();
    return /^\d+$/.test(text) ? Number(text) : 0;
  };
  const sizeBytes = (await number('size')) * 512;
  if (sizeBytes === 0) return undefined; // a card reader without a card
  const sectorBytes = (bytes: number) => Math.min(Math.max(bytes, 512), 65_536);
  const identity = await readDiskIdentity(name, { sysRoot });
  return {
    name,
    sizeBytes,
    logicalSectorBytes: sectorBytes(await number('queue/logical_block_size')),
    physicalSectorBytes: sectorBytes(await number('queue/physical_block_size')),
    ...identity,
    rotational: (await number('queue/rotational')) === 1,
    // USB disks mostly say they are not removable, yet nobody wants one taken by itself.
    removable: (await number('removable')) === 1 || identity.bus === 'usb',
    readOnly: (await number('ro')) === 1,
  };
}
