import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NTFS_USER_MAPPING, ntfsMountOptions } from '../../src/customise/windows/ntfs-mount.ts';
import { type MachineSid, machineSidText } from '../../src/customise/windows/sid.ts';
import { makePhonyWindows } from '../../src/customise/windows/testdata/phony-windows.ts';
import { run } from '../../src/lib/spawn.ts';
import { createDiskFile, MIB, SECTOR_BYTES } from './disk-file.ts';
import { cachedMaster, type Master } from './master-cache.ts';
import { HIVES_KIND, type MasterRelease, type PhonyRegistry, phonyRegistry } from './phony-windows-hives.ts';
import { FOLDER_DESCRIPTOR, securityDescriptor } from './phony-windows-security.ts';

export interface WindowsFacts {
  sizeBytes: number;
  sid: MachineSid;
  /** GUIDs of the physical network cards, and that one whose MAC it knows. */
  cards: string[];
  known?: { guid: string; mac: string };
  /** How many files have permissions of their own that name a user of the computer. */
  ownedFiles: number;
}

export interface PhonyPartition {
  name: string;
  startSector: number;
  sizeBytes: number;
  filesystem: 'ntfs' | 'fat32' | 'none';
}

const OWNED_FILES = 300;
const PAGE_FILE_BYTES = 4 * MIB;

/** As Windows 7 sets a disk up on BIOS. The system keeps 256 MiB free, for files that are transferred. */
export const MBR_PARTITIONS: readonly PhonyPartition[] = [
  { name: 'System Reserved', startSector: 2048, sizeBytes: 32 * MIB, filesystem: 'ntfs' },
  { name: 'Windows', startSector: 67_584, sizeBytes: 400 * MIB, filesystem: 'ntfs' },
];

/** As Windows 10 sets a disk up on UEFI. */
export const GPT_PARTITIONS: readonly PhonyPartition[] = [
  { name: 'SYSTEM', startSector: 2048, sizeBytes: 48 * MIB, filesystem: 'fat32' },
  { name: 'MSR', startSector: 100_352, sizeBytes: 16 * MIB, filesystem: 'none' },
  { name: 'Windows', startSector: 133_120, sizeBytes: 400 * MIB, filesystem: 'ntfs' },
  { name: 'Recovery', startSector: 952_320, sizeBytes: 32 * MIB, filesystem: 'ntfs' },
];

const MBR_TABLE = `label: dos
label-id: 0x77696e37
start=2048, size=65536, type=7, bootable
start=67584, size=819200, type=7
`;

const GPT_TABLE = `label: gpt
label-id: 77696E31-3000-4000-8000-000000000000
start=2048, size=98304, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI system partition", attrs="GUID:63"
start=100352, size=32768, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE, name="Microsoft reserved partition", attrs="GUID:63"
start=133120, size=819200, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Basic data partition"
start=952320, size=65536, type=DE94BBA4-06D1-4D40-A16A-BFD50179D6AC, attrs="RequiredPartition GUID:63"
`;

/** A disk laid out like one of Windows 7 with an MBR; it does not start, and nothing on it is Microsoft's. */
export async function windows7Master(): Promise<Master<WindowsFacts>> {
  return await windowsMaster('7', async (path, { workDir, registry }) => {
    await createDiskFile(path, 434 * MIB);
    await run('sfdisk', ['-q', path], { input: MBR_TABLE });
    const [reserved, system] = MBR_PARTITIONS as [PhonyPartition, PhonyPartition];
    await placeNtfs(path, reserved, {
      workDir,
      fill: (dir) => put(dir, { bootmgr: randomBytes(400_000), 'Boot/BCD': registry.user }),
    });
    await placeNtfs(path, system, { workDir, fill: (dir) => fillSystem(dir, '7', registry) });
    return 434 * MIB;
  });
}

/** The same of Windows 10 with a GPT: with an EFI system partition, a reserved one and one for recovery. */
export async function windows10Master(): Promise<Master<WindowsFacts>> {
  return await windowsMaster('10', async (path, { workDir, registry }) => {
    await createDiskFile(path, 498 * MIB);
    await run('sfdisk', ['-q', path], { input: GPT_TABLE });
    const [esp, , system, recovery] = GPT_PARTITIONS as [
      ...[PhonyPartition, PhonyPartition, PhonyPartition, PhonyPartition],
    ];
    await fillEsp(path, esp, { workDir, registry });
    await placeNtfs(path, system, { workDir, fill: (dir) => fillSystem(dir, '10', registry) });
    await placeNtfs(path, recovery, {
      workDir,
      fill: (dir) => put(dir, { 'Recovery/WindowsRE/Winre.wim': randomBytes(MIB) }),
    });
    return 498 * MIB;
  });
}

async function windowsMaster(
  release: MasterRelease,
  build: (path: string, options: { workDir: string; registry: PhonyRegistry }) => Promise<number>,
): Promise<Master<WindowsFacts>> {
  const testdata = '../../src/customise/windows/testdata';
  const sources = ['.', './phony-windows-hives.ts', './phony-windows-security.ts', './disk-file.ts'];
  sources.push(`${testdata}/phony-windows.ts`, `${testdata}/phony-registry.ts`);
  return await cachedMaster({
    name: `windows-${release}.img`,
    sources: sources.map((path) =>
      fileURLToPath(path === '.' ? import.meta.url : new URL(path, import.meta.url)),
    ),
    inputs: [HIVES_KIND],
    build: async (outPath, workDir) => {
      const registry = phonyRegistry(release);
      const sizeBytes = await build(outPath, { workDir, registry });
      const { sid, cards, known } = registry;
      return { sizeBytes, sid, cards, ownedFiles: OWNED_FILES, ...(known && { known }) };
    },
  });
}

async function fillSystem(dir: string, release: MasterRelease, registry: PhonyRegistry): Promise<void> {
  await setDescriptors([[dir, FOLDER_DESCRIPTOR]]);
  await makePhonyWindows(dir, { release });
  const account = `${machineSidText(registry.sid)}-1001`;
  await put(dir, {
    ...below('Windows/System32/config', registry.system),
    'Users/eve/NTUSER.DAT': registry.user,
    'Users/alice/NTUSER.DAT': registry.user,
    ...below('Users/alice/AppData/Local/Microsoft/Windows', registry.classes),
    [`$Recycle.Bin/${account}/desktop.ini`]: Buffer.from('[.ShellClassInfo]\r\n'),
    'pagefile.sys': randomBytes(PAGE_FILE_BYTES),
  });
  const owned: [string, Buffer][] = [];
  for (let i = 0; i < OWNED_FILES; i += 1) {
    const path = `Users/alice/Documents/${i % 7}/Letter ${i}.txt`;
    await put(dir, { [path]: Buffer.from(`letter ${i}\r\n`.repeat(1 + (i % 400))) });
    owned.push([join(dir, path), securityDescriptor(registry.sid, 1000 + (i % 50))]);
  }
  await setDescriptors(owned);
}

function below(folder: string, files: Record<string, Buffer>): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${folder}/${name}`, bytes]));
}

async function put(dir: string, files: Record<string, Buffer>): Promise<void> {
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), bytes);
  }
}

const SET_DESCRIPTORS = `import os, sys
for line in sys.stdin:
    path, descriptor = line.rstrip('\\n').split('\\t')
    os.setxattr(path, 'system.ntfs_acl', bytes.fromhex(descriptor))`;

async function setDescriptors(files: readonly (readonly [string, Buffer])[]): Promise<void> {
  const input = files.map(([path, descriptor]) => `${path}\t${descriptor.toString('hex')}\n`).join('');
  await run('python3', ['-c', SET_DESCRIPTORS], { input });
}

/** Makes the file system in a file of its own, fills it, and puts it into its place on the disk. */
async function placeNtfs(
  diskPath: string,
  { name, startSector, sizeBytes }: PhonyPartition,
  options: { workDir: string; fill(dir: string): Promise<void> },
): Promise<void> {
  const dir = await mkdtemp(join(options.workDir, 'ntfs-'));
  const [volume, mapping, mount] = [join(dir, 'volume'), join(dir, 'mapping'), join(dir, 'mount')];
  await createDiskFile(volume, sizeBytes);
  const geometry = ['-p', String(startSector), '-H', '255', '-S', '63', '-s', String(SECTOR_BYTES)];
  await run('mkntfs', ['-q', '-Q', '-F', ...geometry, '-L', name, volume]);
  await writeFile(mapping, NTFS_USER_MAPPING);
  await mkdir(mount);
  // In the foreground: it goes on for a moment after umount.
  const mountOptions = ['no_detach', ...ntfsMountOptions(mapping)].join(',');
  const driver = run('ntfs-3g', ['-o', mountOptions, volume, mount]);
  driver.catch(() => {});
  while (!(await readFile('/proc/mounts', 'utf8')).includes(` ${mount} `)) {
    await Promise.race([setTimeout(20), driver]);
  }
  try {
    await options.fill(mount);
  } finally {
    await run('umount', [mount]);
    await driver;
  }
  const place = ['bs=1M', `seek=${(startSector * SECTOR_BYTES) / MIB}`, 'conv=notrunc,sparse'];
  await run('dd', [`if=${volume}`, `of=${diskPath}`, ...place]);
}

async function fillEsp(
  diskPath: string,
  { name, startSector, sizeBytes }: PhonyPartition,
  { workDir, registry }: { workDir: string; registry: PhonyRegistry },
): Promise<void> {
  const size = String(sizeBytes / 1024);
  const format = ['-F', '32', '-s', '1', '-i', '57494e31', '-n', name, '--offset', String(startSector)];
  await run('mkfs.vfat', [...format, diskPath, size]);
  const inside = ['-i', `${diskPath}@@${startSector * SECTOR_BYTES}`];
  await run('mmd', [
    ...inside,
    ...['EFI', 'EFI/Boot', 'EFI/Microsoft', 'EFI/Microsoft/Boot'].map((dir) => `::/${dir}`),
  ]);
  const [loader, store] = [join(workDir, 'bootmgfw.efi'), join(workDir, 'BCD')];
  await writeFile(loader, randomBytes(300_000));
  await writeFile(store, registry.user);
  await run('mcopy', [...inside, store, '::/EFI/Microsoft/Boot/BCD']);
  await run('mcopy', [...inside, loader, '::/EFI/Microsoft/Boot/bootmgfw.efi']);
  await run('mcopy', [...inside, loader, '::/EFI/Boot/bootx64.efi']);
}
