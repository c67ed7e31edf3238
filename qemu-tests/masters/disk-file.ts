import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/spawn.ts';
import { biosBootCode } from './bios-boot-code.ts';
import { BIOS_CORE_PATH } from './debian-root.ts';

export const MIB = 1024 * 1024;
export const SECTOR_BYTES = 512;

/** A sparse file of zeros. */
export async function createDiskFile(path: string, sizeBytes: number): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(sizeBytes);
}

/** Embeds GRUB from an unpacked root into a disk file that has its partition table already. */
export async function installBiosBootCode(
  diskPath: string,
  options: { rootDir: string; coreSector: number; coreSectorsMax: number },
): Promise<void> {
  const grubDir = join(options.rootDir, 'usr/lib/grub/i386-pc');
  await using disk = await open(diskPath, 'r+');
  const mbr = Buffer.alloc(SECTOR_BYTES);
  await disk.read(mbr, 0, SECTOR_BYTES, 0);
  const code = biosBootCode({
    mbr,
    bootImage: await readWhole(join(grubDir, 'boot.img')),
    coreImage: await readWhole(join(options.rootDir, BIOS_CORE_PATH)),
    coreSector: options.coreSector,
    coreSectorsMax: options.coreSectorsMax,
  });
  await disk.write(code.mbr, 0, SECTOR_BYTES, 0);
  await disk.write(code.core, 0, code.core.length, options.coreSector * SECTOR_BYTES);
}

async function readWhole(path: string): Promise<Buffer> {
  await using file = await open(path, 'r');
  return await file.readFile();
}

/** A throw-away disk whose untouched blocks are the master's. */
export async function overlayOf(masterPath: string, path: string, sizeBytes?: number): Promise<string> {
  const size = sizeBytes === undefined ? [] : [String(sizeBytes)];
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', masterPath, path, ...size]);
  return path;
}

/** An empty disk that takes room only for what is written. */
export async function emptyDisk(path: string, sizeBytes: number): Promise<string> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(sizeBytes)]);
  return path;
}

/** A disk's bytes as a sparse raw file, whatever the format it is in. */
export async function rawCopyOf(diskPath: string, path: string): Promise<string> {
  await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', diskPath, path], { timeoutMs: 600_000 });
  return path;
}
