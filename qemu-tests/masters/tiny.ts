import { createHash, randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/lib/spawn.ts';
import { debianRoot } from './debian-root.ts';
import { createDiskFile, installBiosBootCode, MIB, SECTOR_BYTES } from './disk-file.ts';
import { cachedMaster, type Master } from './master-cache.ts';

export interface TinyFacts {
  sizeBytes: number;
  /** MD5 that the disk prints of its own file as it starts: `BOOTED … sum=MD5`. */
  md5: string;
}

const SIZE_BYTES = 384 * MIB;
const ROOT_SECTOR = 2048;
const ROOT_BYTES = 256 * MIB;
const SWAP_SECTOR = ROOT_SECTOR + ROOT_BYTES / SECTOR_BYTES;
const SWAP_BYTES = 64 * MIB;
const ROOT_UUID = '6d617374-6572-4465-8269-74696e790001';
const SWAP_UUID = '6d617374-6572-4465-8269-737761700001';
const DATA_BYTES = 24 * MIB;
const SMALL_FILES = 500;
const MODULES = ['virtio_pci', 'virtio_blk', 'nvme', 'ext4'];

/**
 * A busybox disk that starts in seconds: MBR, ext4 and swap, GRUB. As it starts it prints the checksum of a
 * file it holds, which proves its contents.
 */
export async function tinyMaster(): Promise<Master<TinyFacts>> {
  const root = await debianRoot();
  const sources = [fileURLToPath(import.meta.url), fileURLToPath(new URL('./disk-file.ts', import.meta.url))];
  return await cachedMaster({
    name: 'tiny.img',
    sources,
    inputs: [root.key],
    build: async (outPath, workDir) => {
      const debianDir = join(workDir, 'debian');
      await unpackParts(root.path, debianDir);
      const rootDir = join(workDir, 'root');
      const md5 = await makeRoot(rootDir, debianDir);
      await makeInitrd(join(workDir, 'initrd'), { debianDir, outPath: join(rootDir, 'boot/initrd') });
      await makeDisk(outPath, { rootDir, workDir });
      const core = { coreSector: 1, coreSectorsMax: ROOT_SECTOR - 1 };
      await installBiosBootCode(outPath, { rootDir: debianDir, ...core });
      return { sizeBytes: SIZE_BYTES, md5 };
    },
  });
}

async function unpackParts(tarPath: string, dir: string): Promise<void> {
  await mkdir(dir);
  const parts = ['./boot', './usr/lib/modules', './usr/lib/grub/i386-pc', './usr/bin/busybox'];
  const { stdout } = await run('tar', ['-tf', tarPath], { outputBytesMax: 64 * MIB });
  const busybox = stdout.split('\n').find((line) => /\/bin\/busybox$/.test(line)) ?? parts[3]!;
  await run('tar', ['-C', dir, '-xf', tarPath, ...parts.slice(0, 3), busybox]);
  if (busybox !== parts[3]) await cp(join(dir, busybox), join(dir, 'usr/bin/busybox'));
  await symlink('usr/lib', join(dir, 'lib'));
}

/** @returns the MD5 of the data file. */
async function makeRoot(rootDir: string, debianDir: string): Promise<string> {
  for (const name of [
    'bin',
    'sbin',
    'boot/grub',
    'dev',
    'proc',
    'sys',
    'etc',
    'root',
    'tmp',
    'var',
    'usr/lib',
  ]) {
    await mkdir(join(rootDir, name), { recursive: true });
  }
  await cp(join(debianDir, 'usr/bin/busybox'), join(rootDir, 'bin/busybox'));
  await writeExecutable(join(rootDir, 'sbin/init'), ROOT_INIT);
  const data = randomBytes(DATA_BYTES);
  data.fill('compressible ', 0, DATA_BYTES / 2);
  await writeFile(join(rootDir, 'etc/data'), data);
  for (let i = 0; i < SMALL_FILES; i++) {
    const dir = join(rootDir, 'usr/lib', `d${i % 17}`);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, `f${i}`), `file ${i}\n`.repeat(1 + (i % 40)));
  }
  const kernel = (await readdir(join(debianDir, 'boot'))).find((name) => name.startsWith('vmlinuz-'))!;
  await cp(join(debianDir, 'boot', kernel), join(rootDir, 'boot/vmlinuz'));
  await writeFile(join(rootDir, 'boot/grub/grub.cfg'), GRUB_MENU);
  return createHash('md5').update(data).digest('hex');
}

async function makeInitrd(dir: string, options: { debianDir: string; outPath: string }): Promise<void> {
  for (const name of ['bin', 'dev', 'proc', 'sys', 'new', 'm']) {
    await mkdir(join(dir, name), { recursive: true });
  }
  await cp(join(options.debianDir, 'usr/bin/busybox'), join(dir, 'bin/busybox'));
  await writeExecutable(join(dir, 'init'), INITRD_INIT);
  const modulesDir = join(options.debianDir, 'usr/lib/modules');
  const version = (await readdir(modulesDir))[0]!;
  await run('depmod', ['-b', options.debianDir, version]);
  const paths: string[] = [];
  for (const module of MODULES) {
    const show = ['-d', options.debianDir, '-S', version, '--show-depends', module];
    const { stdout } = await run('modprobe', show);
    for (const [, path] of stdout.matchAll(/^insmod (\S+)/gm)) if (!paths.includes(path!)) paths.push(path!);
  }
  for (const [i, path] of paths.entries()) await cp(path, join(dir, 'm', `${100 + i}-${basename(path)}`));
  const names = (await run('find', ['.'], { cwd: dir })).stdout;
  await run('cpio', ['-o', '-H', 'newc', '--quiet', '-O', options.outPath], { cwd: dir, input: names });
}

async function makeDisk(path: string, options: { rootDir: string; workDir: string }): Promise<void> {
  await createDiskFile(path, SIZE_BYTES);
  const rootSectors = ROOT_BYTES / SECTOR_BYTES;
  const swapSectors = SWAP_BYTES / SECTOR_BYTES;
  const table = `label: dos\nlabel-id: 0x6d617374\n${ROOT_SECTOR},${rootSectors},83,*\n${SWAP_SECTOR},${swapSectors},82\n`;
  await run('sfdisk', ['-q', path], { input: table });
  await run('mke2fs', [
    ...['-q', '-F', '-t', 'ext4', '-U', ROOT_UUID, '-E', `offset=${ROOT_SECTOR * SECTOR_BYTES}`],
    ...['-d', options.rootDir, path, `${ROOT_BYTES / 1024}k`],
  ]);
  const swapPath = join(options.workDir, 'swap');
  await createDiskFile(swapPath, SWAP_BYTES);
  await run('mkswap', ['-U', SWAP_UUID, swapPath]);
  const swap = await readFile(swapPath);
  await run(
    'dd',
    [`of=${path}`, 'bs=1M', `seek=${(SWAP_SECTOR * SECTOR_BYTES) / MIB}`, 'conv=notrunc,sparse'],
    {
      input: swap,
    },
  );
  await rm(swapPath);
}

async function writeExecutable(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

const GRUB_MENU = `serial --unit=0 --speed=115200
terminal_output serial console
echo GRUB started
linux /boot/vmlinuz root=UUID=${ROOT_UUID} ro console=ttyS0 quiet
initrd /boot/initrd
boot
`;

const INITRD_INIT = `#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs d /dev; $B mount -t proc p /proc; $B mount -t sysfs s /sys
for m in /m/*.ko*; do $B insmod $m; done
i=0
until root=$($B findfs UUID=${ROOT_UUID} 2>/dev/null) || [ $i -ge 100 ]; do $B usleep 100000; i=$((i+1)); done
$B mount -t ext4 -o rw "$root" /new || { echo "NO ROOT"; exec $B sh; }
$B mount -o move /dev /new/dev; $B umount /sys; $B umount /proc
exec $B switch_root /new /sbin/init
`;

const ROOT_INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc p /proc; /bin/busybox mount -t sysfs s /sys; /bin/busybox --install -s /bin
swap=$(findfs UUID=${SWAP_UUID}) && swapon "$swap" && swaps=on
echo "BOOTED sum=$(md5sum < /etc/data | cut -c1-32) swap=$swaps boots=$(cat /var/boots 2>/dev/null) up=$(cut -d' ' -f1 /proc/uptime)" > /dev/console
echo x >> /var/boots; sync
exec setsid cttyhack sh
`;
