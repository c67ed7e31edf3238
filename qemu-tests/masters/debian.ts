import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/lib/spawn.ts';
import { debianRoot } from './debian-root.ts';
import { createDiskFile, installBiosBootCode, MIB, SECTOR_BYTES } from './disk-file.ts';
import { cachedMaster, type Master } from './master-cache.ts';

export interface DebianFacts {
  sizeBytes: number;
  hostname: string;
  /** Used by files, as the file system counts it. */
  usedBytes: number;
}

const SIZE_BYTES = 3072 * MIB;
const ESP_BYTES = 128 * MIB;
const BIOS_BOOT_SECTOR = 2048;
const BIOS_BOOT_SECTORS = 2048;
const ESP_SECTOR = BIOS_BOOT_SECTOR + BIOS_BOOT_SECTORS;
const ROOT_SECTOR = ESP_SECTOR + ESP_BYTES / SECTOR_BYTES;
/** Primary and backup GPT take 33 sectors each, the end is kept aligned to 1 MiB. */
const ROOT_END_SECTOR = SIZE_BYTES / SECTOR_BYTES - 2048;
const ROOT_UUID = '6d617374-6572-4465-8269-616e31320001';
const ESP_ID = '1111-2222';
const HOSTNAME = 'master';

/** Periodic jobs and drivers that only cost time in a software-emulated machine. */
const MASKED_UNITS = [
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer'],
  ...['fstrim.timer', 'e2scrub_reap.service', 'systemd-timesyncd.service', 'systemd-pstore.service'],
  ...['modprobe@drm.service', 'modprobe@configfs.service', 'modprobe@fuse.service'],
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount'],
];
const BLACKLISTED_MODULES =
  'kvm kvm_amd kvm_intel aesni_intel ghash_clmulni_intel crct10dif_pclmul crc32_pclmul sha512_ssse3 evdev joydev';

/**
 * A real Debian 12 server: GPT with BIOS boot partition, ESP and ext4 root, starting on BIOS and UEFI to
 * a login prompt on the serial line (root without password). Built without booting or mounting anything.
 */
export async function debianMaster(): Promise<Master<DebianFacts>> {
  const root = await debianRoot();
  const sources = [fileURLToPath(import.meta.url), fileURLToPath(new URL('./disk-file.ts', import.meta.url))];
  return await cachedMaster({
    name: 'debian.img',
    sources,
    inputs: [root.key],
    build: async (outPath, workDir) => {
      const rootDir = join(workDir, 'root');
      await mkdir(rootDir);
      const only = ['--exclude=./dev/*', '--xattrs', '--xattrs-include=*', '--numeric-owner'];
      await run('tar', ['-C', rootDir, '-xf', root.path, ...only], { timeoutMs: 300_000 });
      await configure(rootDir);
      await partition(outPath);
      await makeRootFilesystem(outPath, rootDir);
      await makeEsp(outPath, { rootDir, workDir });
      const core = { coreSector: BIOS_BOOT_SECTOR, coreSectorsMax: BIOS_BOOT_SECTORS };
      await installBiosBootCode(outPath, { rootDir, ...core });
      const used = await run('du', ['-s', '--block-size=1', rootDir]);
      return { sizeBytes: SIZE_BYTES, hostname: HOSTNAME, usedBytes: Number(used.stdout.split('\t')[0]) };
    },
  });
}

async function configure(rootDir: string): Promise<void> {
  const put = (path: string, text: string) => writeFile(join(rootDir, path), text);
  await mkdir(join(rootDir, 'boot/efi'), { recursive: true });
  await put('etc/hostname', `${HOSTNAME}\n`);
  await put('etc/hosts', `127.0.0.1 localhost\n127.0.1.1 ${HOSTNAME}\n`);
  await put('etc/machine-id', '6d6173746572426582696e6131320001\n');
  await put(
    'etc/fstab',
    `UUID=${ROOT_UUID} / ext4 errors=remount-ro 0 1\nUUID=${ESP_ID} /boot/efi vfat umask=0077 0 1\n`,
  );
  await put('etc/network/interfaces', 'auto lo\niface lo inet loopback\n');
  await put('etc/modprobe.d/emulated.conf', BLACKLISTED_MODULES.replaceAll(/(\S+) ?/g, 'blacklist $1\n'));
  await put('etc/.updated', '');
  await put('var/.updated', '');
  for (const unit of MASKED_UNITS) {
    await symlink('/dev/null', join(rootDir, 'etc/systemd/system', unit));
  }
  const shadow = await readFile(join(rootDir, 'etc/shadow'), 'utf8');
  await put('etc/shadow', shadow.replace(/^root:[^:]*:/m, 'root::'));
  const kernel = (await readdir(join(rootDir, 'boot'))).find((name) => name.startsWith('vmlinuz-'))!;
  await put('boot/grub/grub.cfg', grubMenu(kernel.slice('vmlinuz-'.length)));
}

function grubMenu(kernelVersion: string): string {
  return [
    'serial --unit=0 --speed=115200',
    'terminal_input serial console',
    'terminal_output serial console',
    'set timeout=0',
    'menuentry "Debian GNU/Linux" {',
    `  search --no-floppy --fs-uuid --set=root ${ROOT_UUID}`,
    `  linux /boot/vmlinuz-${kernelVersion} root=UUID=${ROOT_UUID} ro console=tty0 console=ttyS0,115200`,
    `  initrd /boot/initrd.img-${kernelVersion}`,
    '}',
    '',
  ].join('\n');
}

async function partition(path: string): Promise<void> {
  await createDiskFile(path, SIZE_BYTES);
  const guid = (number: number) => `6d617374-0000-4000-8000-00000000000${number}`;
  await run('sgdisk', [
    ...['-a', '2048', '-U', guid(0)],
    ...[
      '-n',
      `1:${BIOS_BOOT_SECTOR}:${ESP_SECTOR - 1}`,
      '-t',
      '1:ef02',
      '-c',
      '1:bios',
      '-u',
      `1:${guid(1)}`,
    ],
    ...['-n', `2:${ESP_SECTOR}:${ROOT_SECTOR - 1}`, '-t', '2:ef00', '-c', '2:ESP', '-u', `2:${guid(2)}`],
    ...[
      '-n',
      `3:${ROOT_SECTOR}:${ROOT_END_SECTOR - 1}`,
      '-t',
      '3:8300',
      '-c',
      '3:root',
      '-u',
      `3:${guid(3)}`,
    ],
    path,
  ]);
}

async function makeRootFilesystem(path: string, rootDir: string): Promise<void> {
  const offset = ROOT_SECTOR * SECTOR_BYTES;
  const sizeKib = ((ROOT_END_SECTOR - ROOT_SECTOR) * SECTOR_BYTES) / 1024;
  const extended = `offset=${offset},hash_seed=${ROOT_UUID},lazy_itable_init=0,lazy_journal_init=0`;
  await run(
    'mke2fs',
    [
      ...['-q', '-F', '-t', 'ext4', '-O', '^orphan_file,^metadata_csum_seed', '-L', 'root', '-U', ROOT_UUID],
      ...['-E', extended, '-d', rootDir, path, `${sizeKib}k`],
    ],
    { timeoutMs: 300_000 },
  );
}

async function makeEsp(path: string, options: { rootDir: string; workDir: string }): Promise<void> {
  const id = ESP_ID.replace('-', '');
  const size = String(ESP_BYTES / 1024);
  const format = [
    '--invariant',
    '-F',
    '32',
    '-s',
    '2',
    '-i',
    id,
    '-n',
    'ESP',
    '--offset',
    String(ESP_SECTOR),
  ];
  await run('mkfs.vfat', [...format, path, size]);
  const configPath = join(options.workDir, 'efi.cfg');
  await writeFile(
    configPath,
    `search --no-floppy --fs-uuid --set=root ${ROOT_UUID}\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n`,
  );
  const image = `${path}@@${ESP_SECTOR * SECTOR_BYTES}`;
  const loader = join(options.rootDir, 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi');
  const env = { MTOOLS_SKIP_CHECK: '1' };
  await run('mmd', ['-i', image, '::/EFI', '::/EFI/BOOT', '::/EFI/debian'], { env });
  await run('mcopy', ['-i', image, configPath, '::/EFI/debian/grub.cfg'], { env });
  await run('mcopy', ['-i', image, loader, '::/EFI/BOOT/BOOTX64.EFI'], { env });
  await run('mcopy', ['-i', image, loader, '::/EFI/debian/grubx64.efi'], { env });
}
