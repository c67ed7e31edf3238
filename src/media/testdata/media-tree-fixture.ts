import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LOADER_PARTS, PXE_LOADER_PATH } from '../media-tree.ts';

/** A media tree for tests: every file there, of plausible shape, none of it bootable. */
export async function writeFixtureMedia(mediaDir: string): Promise<void> {
  const bootRecord = Buffer.alloc(512);
  bootRecord.writeUInt16LE(0xaa55, 510);
  const files: Record<string, Buffer> = {
    'boot/grub/grub.cfg': Buffer.from('source $prefix/settings.cfg\n'),
    'boot/grub/settings.cfg': Buffer.from('# of the medium this tree came from\n'),
    'boot/site.img': Buffer.from('the site of another console'),
    [PXE_LOADER_PATH]: Buffer.concat([Buffer.from('b27fea00820000', 'hex'), Buffer.alloc(4000)]),
    'boot/stage1.img': Buffer.alloc(5000, 's'),
    'boot/totaldeploy.wim': Buffer.alloc(300_000, 'w'),
    'boot/vmlinuz': Buffer.alloc(70_000, 'v'),
    'grub/grub.cfg': Buffer.from('source $prefix/grub.cfg\n'),
    'grubx64.efi': Buffer.alloc(3000, 'g'),
    'mmx64.efi': Buffer.alloc(2000, 'm'),
    'shimx64.efi': Buffer.alloc(1000, 'h'),
    'manifest.json': Buffer.from('{}\n'),
    [LOADER_PARTS.diskBootRecord]: bootRecord,
    [LOADER_PARTS.hybridBootRecord]: bootRecord,
    [LOADER_PARTS.cdBootImage]: Buffer.alloc(2048, 'c'),
    [LOADER_PARTS.biosCore]: Buffer.alloc(20_000, 'k'),
    [LOADER_PARTS.efiSystemPartition]: Buffer.alloc(1024 * 1024, 'e'),
    [LOADER_PARTS.mediumGrub]: Buffer.alloc(2500, 'd'),
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(mediaDir, path)), { recursive: true });
    await writeFile(join(mediaDir, path), content);
  }
}
