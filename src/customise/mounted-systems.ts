import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorLine } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import type { Partition } from '../schema/disk-layout.ts';
import type { EditResult } from '../schema/edit-result.ts';
import { detectLinux } from './linux/linux-facts.ts';
import { parseFstab, type VolumeNames, volumeOf } from './mounted-systems-fstab.ts';
import { activateVolumes } from './mounted-systems-lvm.ts';
import { type MountRequest, mountVolume, unmountVolume } from './mounted-systems-mount.ts';
import { SystemRoot } from './system-root.ts';
import { NTFS_USER_MAPPING } from './windows/ntfs-mount.ts';
import { findSystemDir } from './windows/windows-facts.ts';

const SYSTEMS_MAX = 8;
const REASON_CHARS_MAX = 1000;
const FSTAB = '/etc/fstab';
const MOUNT_TYPES: Readonly<Record<string, string>> = {
  ...{ ext2: 'ext2', ext3: 'ext3', ext4: 'ext4', xfs: 'xfs', btrfs: 'btrfs', ntfs: 'ntfs-3g' },
  ...{ fat12: 'vfat', fat16: 'vfat', fat32: 'vfat', vfat: 'vfat' },
};
const ROOT_TYPES = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'ntfs-3g']);
/** Where the root lies that btrfs does not mount by itself: Ubuntu and others, Fedora, Debian. */
const ROOT_SUBVOLUMES = ['', 'subvol=@', 'subvol=root', 'subvol=@rootfs'];

/** A device of one partition; disposing of it takes it away when everything is written. */
export interface AttachedPartition extends AsyncDisposable {
  readonly path: string;
}

export interface MountedSystemsOptions {
  /** Those of the deployed disk that were written. */
  partitions: readonly Partition[];
  attach(partition: Partition): Promise<AttachedPartition>;
  signal: AbortSignal;
}

interface Volume extends VolumeNames {
  device: string;
  /** For people, e.g. `partition 3`. */
  where: string;
  /** For mount(8); empty for what is never mounted. */
  type: string;
}

export interface MountedSystem {
  /** Its root, as long as it is mounted. */
  dir: string;
  where: string;
}

/** A system with what is mounted for it, the root first. */
interface PlannedSystem extends MountedSystem {
  mounts: { volume: Volume; subvolume: string; path: string }[];
}

/** The systems of a deployed disk, found by what is on it, each mounted with all its file systems of that disk. */
export class MountedSystems implements AsyncDisposable {
  /** Why parts of the disk stay as they are. */
  readonly notes: EditResult[] = [];
  readonly #options: MountedSystemsOptions;
  readonly #dir: string;
  readonly #volumes: Volume[] = [];
  readonly #attached: AsyncDisposable[] = [];
  #systems: PlannedSystem[] = [];
  #mounted: string[] = [];

  private constructor(dir: string, options: MountedSystemsOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  /** Needs root. @throws TdError of attaching a partition; the signal's reason. */
  static async open(options: MountedSystemsOptions): Promise<MountedSystems> {
    const one = new MountedSystems(await mkdtemp(join(tmpdir(), 'td-system-')), options);
    try {
      await writeFile(one.#userMapping, NTFS_USER_MAPPING);
      // Without udev nobody loads them when they are asked for.
      await run('modprobe', ['-a', '-q', 'loop', 'fuse', 'dm-mod'], { okCodes: [0, 1] }).catch(() => {});
      await one.#attachAll();
      for (const volume of one.#volumes) await one.#look(volume);
      await one.#mountAll({ readOnly: false });
      return one;
    } catch (error) {
      await one[Symbol.asyncDispose]();
      throw error;
    }
  }

  get systems(): readonly MountedSystem[] {
    return this.#systems;
  }

  /** Of all NTFS volumes, for what is done to them while they are mounted nowhere. */
  get ntfsVolumes(): { device: string; where: string }[] {
    return this.#volumes.filter(({ type }) => type === 'ntfs-3g');
  }

  /** Everything that was written is on the disk then. @throws TdError `io`. */
  async unmount(): Promise<void> {
    const mounted = this.#mounted.reverse();
    this.#mounted = [];
    const problems: unknown[] = [];
    for (const dir of mounted) await unmountVolume(dir).catch((error) => problems.push(error));
    if (problems.length > 0) throw problems[0];
  }

  /** As before, but for reading only. */
  async mountAgain(): Promise<void> {
    await this.#mountAll({ readOnly: true });
  }

  /** Leaves nothing mounted or attached. @throws TdError `io`, `tool-failed` when something stays. */
  async close(): Promise<void> {
    const problems: unknown[] = [];
    await this.unmount().catch((error) => problems.push(error));
    for (const one of this.#attached.splice(0).reverse()) {
      await detach(one).catch((error) => problems.push(error));
    }
    // Nothing below it may be removed while a mount is left.
    if (problems.length > 0) throw problems[0];
    await rm(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch(() => {});
  }

  get #userMapping(): string {
    return join(this.#dir, 'ntfs-users');
  }

  async #attachAll(): Promise<void> {
    const { partitions, attach } = this.#options;
    const physical: string[] = [];
    for (const partition of partitions) {
      const { kind, uuid, label } = partition.filesystem;
      const where = `partition ${partition.number}`;
      if (kind === 'bitlocker' || kind === 'luks') this.#skip(where, 'it is encrypted');
      if (kind === 'ldm') this.#skip(where, 'dynamic disks of Windows are not looked into');
      const type = MOUNT_TYPES[kind] ?? '';
      if (type === '' && kind !== 'lvm2') continue;
      const node = await attach(partition);
      this.#attached.push(node);
      if (kind === 'lvm2') physical.push(node.path);
      else {
        const { number, id, name } = partition;
        const names = { uuid, label, partUuid: id, partLabel: name, number, paths: [] };
        this.#volumes.push({ device: node.path, where, type, ...names });
      }
    }
    if (physical.length > 0) await this.#attachLogical(physical);
  }

  async #attachLogical(physical: readonly string[]): Promise<void> {
    try {
      const group = await activateVolumes(physical, this.#options.signal);
      this.#attached.push(group);
      for (const { device, paths, type, uuid, label } of group.volumes) {
        const names = { uuid, label, partUuid: '', partLabel: '', number: 0, paths };
        const where = `volume ${device.split('/').at(-1)}`;
        this.#volumes.push({ device, where, type: MOUNT_TYPES[type] ?? '', ...names });
      }
    } catch (error) {
      this.#options.signal.throwIfAborted();
      this.#skip('its logical volumes', errorLine(error));
    }
  }

  /** Read-only: a volume without a system is left as it is. */
  async #look(volume: Volume): Promise<void> {
    if (!ROOT_TYPES.has(volume.type) || this.#systems.length >= SYSTEMS_MAX) return;
    const dir = join(this.#dir, `system-${this.#systems.length + 1}`);
    for (const subvolume of volume.type === 'btrfs' ? ROOT_SUBVOLUMES : ['']) {
      try {
        await this.#mount({ volume, subvolume, dir, readOnly: true });
      } catch (error) {
        this.#options.signal.throwIfAborted();
        // Another of the names may be there.
        if (subvolume === '') this.#skip(volume.where, errorLine(error));
        continue;
      }
      const below = await this.#mountsBelow(volume, dir);
      await this.unmount();
      if (below === undefined) continue;
      const mounts = [{ volume, subvolume, path: '' }, ...below];
      this.#systems.push({ dir, where: volume.where, mounts });
      return;
    }
  }

  /** What the system mounts below its root; undefined when there is none. */
  async #mountsBelow(volume: Volume, dir: string): Promise<PlannedSystem['mounts'] | undefined> {
    if (volume.type === 'ntfs-3g') {
      const root = new SystemRoot(dir, { caseInsensitive: true });
      return (await findSystemDir(root)) === undefined ? undefined : [];
    }
    const root = new SystemRoot(dir);
    if ((await detectLinux(root)) === undefined) return undefined;
    const fstab = (await root.exists(FSTAB)) ? await root.readText(FSTAB) : '';
    return parseFstab(fstab).flatMap(({ source, path, subvolume }) => {
      const found = volumeOf(source, this.#volumes);
      if (found === undefined || found.type === '' || found.type === 'ntfs-3g') return [];
      return [{ volume: found, path, subvolume }];
    });
  }

  /** A system that cannot be mounted is left as it is, with the reason. */
  async #mountAll({ readOnly }: { readOnly: boolean }): Promise<void> {
    const whole: PlannedSystem[] = [];
    for (const system of this.#systems) {
      const before = this.#mounted.length;
      try {
        for (const mount of system.mounts) await this.#mountOf(system, { ...mount, readOnly });
        whole.push(system);
      } catch (error) {
        this.#options.signal.throwIfAborted();
        for (const dir of this.#mounted.splice(before).reverse()) await unmountVolume(dir);
        const text = `Change the system on ${system.where}`;
        this.notes.push({ text, result: 'failed', reason: reasonOf(error) });
      }
    }
    this.#systems = whole;
  }

  async #mountOf(
    { dir }: PlannedSystem,
    mount: PlannedSystem['mounts'][number] & { readOnly: boolean },
  ): Promise<void> {
    // What lies above it is mounted now; links never lead out of the root.
    const place = mount.path === '' ? dir : await new SystemRoot(dir).resolve(mount.path);
    const isThere = mount.path === '' || (await stat(place).catch(() => undefined))?.isDirectory() === true;
    if (isThere && !this.#mounted.includes(place)) await this.#mount({ ...mount, dir: place });
  }

  async #mount(
    request: Pick<MountRequest, 'dir' | 'readOnly' | 'subvolume'> & { volume: Volume },
  ): Promise<void> {
    const { volume, ...place } = request;
    const { device, type } = volume;
    await mountVolume({ device, type, ...place, userMapping: this.#userMapping }, this.#options.signal);
    this.#mounted.push(place.dir);
  }

  #skip(where: string, reason: string): void {
    const text = `Look for a system on ${where}`;
    this.notes.push({ text, result: 'skipped', reason: reasonOf(reason) });
  }
}

function reasonOf(error: unknown): string {
  return errorLine(error).slice(0, REASON_CHARS_MAX);
}

async function detach(one: AsyncDisposable): Promise<void> {
  await one[Symbol.asyncDispose]();
}
