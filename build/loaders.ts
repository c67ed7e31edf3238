import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { run } from '../src/lib/spawn.ts';
import { LOADER_PARTS, MEDIA_TIME_SECONDS, PXE_LOADER_PATH } from '../src/media/media-tree.ts';
import { withServerAddress } from '../src/media/pxe-server-address.ts';

const MENUS = resolve(import.meta.dirname, '../src/media/grub');

/** All that the menu uses; nothing can be loaded later, because the media carry no modules. */
// biome-ignore format: a list
const COMMON_MODULES = [
  'acpi', 'all_video', 'boot', 'cat', 'chain', 'configfile', 'drivemap', 'echo', 'halt', 'linux', 'ls', 'memdisk', 'minicmd',
  'normal', 'reboot', 'regexp', 'search', 'search_fs_file', 'search_label', 'serial', 'sleep', 'tar', 'terminal', 'test',
];
const DISK_MODULES = ['biosdisk', 'fat', 'iso9660', 'ntfs', 'part_gpt', 'part_msdos'];
const NETWORK_MODULES = ['http', 'memrw', 'pxe', 'tftp'];

/** Files that are copied as Debian made them; the signed ones must not change by a bit. */
const COPIES: readonly [source: string, target: string, needed: boolean][] = [
  ['shim/shimx64.efi.signed', 'shimx64.efi', true],
  ['grub/x86_64-efi-signed/grubnetx64.efi.signed', 'grubx64.efi', true],
  // Only ever started when someone enrols a key of their own.
  ['shim/mmx64.efi.signed', 'mmx64.efi', false],
  ['grub/x86_64-efi-signed/gcdx64.efi.signed', LOADER_PARTS.mediumGrub, true],
  ['grub/i386-pc/boot.img', LOADER_PARTS.diskBootRecord, true],
  ['grub/i386-pc/boot_hybrid.img', LOADER_PARTS.hybridBootRecord, true],
  ['grub/i386-pc/cdboot.img', LOADER_PARTS.cdBootImage, true],
];

const ESP_SLACK_BYTES = 512 * 1024;
const ESP_ROUND_BYTES = 1024 * 1024;

/**
 * Puts the boot loaders into the media tree: Debian's signed ones as they are, GRUB for BIOS assembled from Debian's modules.
 *
 * @param loadersDir the unpacked packages, with `usr/lib/shim` and `usr/lib/grub`.
 * @throws TdError `not-found` naming a missing file; `tool-failed`.
 */
export async function buildLoaders(loadersDir: string, mediaDir: string): Promise<void> {
  const lib = join(loadersDir, 'usr/lib');
  for (const [from, to, needed] of COPIES) {
    const source = join(lib, from);
    if (!existsSync(source)) {
      if (!needed) continue;
      throw new TdError(
        'not-found',
        `Cannot make boot media: "${source}" is missing; fetch the packages again`,
      );
    }
    await mkdir(dirname(join(mediaDir, to)), { recursive: true });
    await copyFile(source, join(mediaDir, to));
  }
  const work = await mkdtemp(join(tmpdir(), 'totaldeploy-loaders-'));
  try {
    const menu = async (name: string) => readFile(join(MENUS, name), 'utf8');
    const modules = join(lib, 'grub/i386-pc');
    const pxe = join(mediaDir, PXE_LOADER_PATH);
    await makeCore(work, {
      format: 'i386-pc-pxe',
      modulesDir: modules,
      modules: [...COMMON_MODULES, ...DISK_MODULES, ...NETWORK_MODULES],
      config: `${await menu('pxe-core.cfg')}${await menu('network-stub.cfg')}`,
      output: pxe,
    });
    withServerAddress(await readFile(pxe), undefined); // refuses a boot record it could not write an address into
    await makeCore(work, {
      format: 'i386-pc',
      modulesDir: modules,
      modules: [...COMMON_MODULES, ...DISK_MODULES],
      config: await menu('medium-stub.cfg'),
      output: join(mediaDir, LOADER_PARTS.biosCore),
    });
    await makeEfiSystemPartition(join(work, 'esp.img'), mediaDir);
    await copyFile(join(work, 'esp.img'), join(mediaDir, LOADER_PARTS.efiSystemPartition));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Core {
  format: 'i386-pc' | 'i386-pc-pxe';
  modulesDir: string;
  modules: readonly string[];
  /** A whole script: only GRUB's "normal" parser, which reads it from a memory disk, knows conditions and loops. */
  config: string;
  output: string;
}

/** Any GRUB 2 of the building machine assembles Debian 13's modules to the same bytes as Debian 13's own. */
async function makeCore(work: string, core: Core): Promise<void> {
  const dir = join(work, core.format);
  await mkdir(dir);
  await writeFile(join(dir, 'grub.cfg'), core.config);
  // GRUB looks for its module lists under the prefix as it starts; at a wrong TFTP server that takes minutes.
  await writeFile(join(dir, 'early.cfg'), 'set prefix=(memdisk)\nnormal (memdisk)/grub.cfg\n');
  // biome-ignore format: one option a value
  await run('tar', [
    '--format=ustar', '--owner=0', '--group=0', '--numeric-owner', '--mode=0644', `--mtime=@${MEDIA_TIME_SECONDS}`,
    '-C', dir, '-cf', join(dir, 'memdisk.tar'), 'grub.cfg',
  ]);
  // biome-ignore format: one option a value
  await run('grub-mkimage', [
    '--directory', core.modulesDir, '--format', core.format, '--memdisk', join(dir, 'memdisk.tar'),
    '--config', join(dir, 'early.cfg'), '--prefix', '/boot/grub', '--output', core.output, ...core.modules,
  ]);
}

/** What UEFI starts from a CD: shim, signed GRUB and a stub that finds the menu on the ISO. */
async function makeEfiSystemPartition(path: string, mediaDir: string): Promise<void> {
  const copies: [source: string, target: string][] = [
    [join(mediaDir, 'shimx64.efi'), 'EFI/BOOT/BOOTX64.EFI'],
    [join(mediaDir, LOADER_PARTS.mediumGrub), 'EFI/BOOT/grubx64.efi'],
    [join(MENUS, 'medium-stub.cfg'), 'boot/grub/grub.cfg'],
  ];
  const manager = join(mediaDir, 'mmx64.efi');
  if (existsSync(manager)) copies.push([manager, 'EFI/BOOT/mmx64.efi']);
  const contents = await Promise.all(copies.map(([source]) => readFile(source)));
  const usedBytes = contents.reduce((sum, content) => sum + content.length, 0);
  await writeFile(path, '');
  await truncate(path, Math.ceil((usedBytes + ESP_SLACK_BYTES) / ESP_ROUND_BYTES) * ESP_ROUND_BYTES);
  const mtools = (program: string, args: readonly string[]) =>
    run(program, ['-i', path, ...args], {
      env: { SOURCE_DATE_EPOCH: String(MEDIA_TIME_SECONDS), TZ: 'UTC', MTOOLS_SKIP_CHECK: '1' },
    });
  await mtools('mformat', ['-v', 'TD-EFI', '-N', '54440002', '::']);
  await mtools('mmd', ['::/EFI', '::/EFI/BOOT', '::/boot', '::/boot/grub']);
  for (const [source, target] of copies) await mtools('mcopy', [source, `::/${target}`]);
}
