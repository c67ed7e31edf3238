import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { filesystemSchema } from '../schema/disk-layout.ts';
import { openBlockDevice } from './block-device.ts';
import { detectFilesystem, swapHeader } from './filesystems.ts';

const MIB = 1024 * 1024;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-filesystems-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function emptyFile(sizeBytes: number): Promise<string> {
  const path = join(folder, 'volume');
  await (await open(path, 'w')).close();
  await truncate(path, sizeBytes);
  return path;
}

async function detect(path: string) {
  await using device = await openBlockDevice(path);
  return await detectFilesystem((offset, length) => device.read(offset, length), device.sizeBytes);
}

/** What util-linux says of the same file. */
async function blkid(path: string): Promise<Record<string, string>> {
  const { stdout } = await run('blkid', ['-p', '-o', 'export', path]);
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => [
        line.slice(0, line.indexOf('=')),
        line.slice(line.indexOf('=') + 1).replaceAll('\\', ''),
      ]),
  );
}

function bytesDevice(bytes: Buffer) {
  return async (offset: number, length: number) => {
    if (offset < 0 || length < 0 || offset + length > bytes.length) throw new Error('read beyond the end');
    return Buffer.from(bytes.subarray(offset, offset + length));
  };
}

describe('detectFilesystem', () => {
  it.each<[string, number, string, string[]]>([
    ['ext2', 20, 'mke2fs', ['-q', '-t', 'ext2', '-L', 'Data é']],
    ['ext3', 20, 'mke2fs', ['-q', '-t', 'ext3', '-L', 'three']],
    ['ext4', 20, 'mke2fs', ['-q', '-t', 'ext4', '-L', 'root']],
    ['ext4', 20, 'mke2fs', ['-q', '-t', 'ext4', '-b', '4096', '-O', '^has_journal']],
    ['ntfs', 20, 'mkntfs', ['-q', '-F', '-f', '-L', 'Windows Größe']],
    ['ntfs', 20, 'mkntfs', ['-q', '-F', '-f', '-c', '65536']],
    ['fat12', 4, 'mkfs.vfat', ['-F', '12', '-n', 'TWELVE']],
    ['fat16', 20, 'mkfs.vfat', ['-F', '16', '-n', 'SIXTEEN']],
    ['fat32', 64, 'mkfs.vfat', ['-F', '32', '-s', '1', '-n', 'EFI SYS']],
    ['exfat', 20, 'mkfs.exfat', ['-L', 'Stick']],
    ['xfs', 320, 'mkfs.xfs', ['-q', '-L', 'scratch']],
    ['btrfs', 128, 'mkfs.btrfs', ['-q', '-L', 'tree']],
    ['f2fs', 64, 'mkfs.f2fs', ['-q', '-l', 'flash']],
    ['swap', 4, 'mkswap', ['-L', 'more']],
    ['swap', 4, 'mkswap', ['-p', '16384']],
  ])('finds %s (%i MiB) as blkid does', async (kind, mebibytes, program, args) => {
    const path = await emptyFile(mebibytes * MIB);
    await run(program, [...args, path]);
    const found = await detect(path);
    const theirs = await blkid(path);
    const label = args[args.findIndex((arg) => /^-[Lnl]$/.test(arg)) + 1];
    expect(found).toEqual({
      kind,
      label: args.some((arg) => /^-[Lnl]$/.test(arg)) ? label : '',
      uuid: theirs.UUID,
    });
    expect(theirs.TYPE).toBe(kind.startsWith('fat') ? 'vfat' : kind);
  });

  it('finds what must be captured raw', async () => {
    const luks = Buffer.alloc(MIB);
    luks.write('LUKS\xba\xbe\0\x02', 'latin1');
    luks.write('secret', 24);
    luks.write('0f4c2b1e-1111-2222-3333-444455556666', 168);
    const bitlocker = Buffer.alloc(MIB);
    bitlocker.write('\xebX\x90-FVE-FS-', 'latin1');
    const toGo = Buffer.alloc(MIB);
    toGo.write('\xebX\x90MSWIN4.1', 'latin1');
    Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex').copy(toGo, 0x1a8);
    const lvm = Buffer.alloc(MIB);
    lvm.write('LABELONE', 512);
    lvm.write('LVM2 001', 536);
    lvm.write('abcdef0123456789ABCDEF0123456789', 544);
    const kinds = [luks, bitlocker, toGo, lvm].map(
      async (bytes) => await detectFilesystem(bytesDevice(bytes), MIB),
    );
    expect(await Promise.all(kinds)).toEqual([
      { kind: 'luks', label: 'secret', uuid: '0f4c2b1e-1111-2222-3333-444455556666' },
      { kind: 'bitlocker', label: '', uuid: '' },
      { kind: 'bitlocker', label: '', uuid: '' },
      { kind: 'lvm2', label: '', uuid: 'abcdef-0123-4567-89AB-CDEF-0123-456789' },
    ]);
  });

  it('calls it unknown when two filesystems claim the same partition', async () => {
    const path = await emptyFile(64 * MIB);
    await run('mkfs.vfat', ['-F', '32', '-s', '1', '-R', '32', path]);
    const fat = await readFile(path);
    await run('mke2fs', ['-q', '-F', '-t', 'ext4', path]);
    const both = await readFile(path);
    fat.copy(both, 0, 0, 512);
    expect((await detectFilesystem(bytesDevice(both), both.length)).kind).toBe('unknown');
  });

  it('tells a hibernated system in a swap area', () => {
    const head = Buffer.alloc(65_536);
    head.write('S1SUSPEND\0', 4086, 'latin1');
    expect(swapHeader(head)).toEqual({ pageBytes: 4096, hibernated: true });
    head.write('SWAPSPACE2', 4086, 'latin1');
    expect(swapHeader(head)).toEqual({ pageBytes: 4096, hibernated: false });
  });

  it('never throws on any bytes and never reads outside the partition', async () => {
    const signature = fc.constantFrom(
      { at: 3, text: 'NTFS    ' },
      { at: 3, text: 'EXFAT   ' },
      { at: 3, text: '-FVE-FS-' },
      { at: 0, text: 'XFSB' },
      { at: 1080, text: '\x53\xef' },
      { at: 65_600, text: '_BHRfS_M' },
      { at: 4086, text: 'SWAPSPACE2' },
      { at: 1024, text: '\x10\x20\xf5\xf2' },
      { at: 510, text: '\x55\xaa' },
    );
    const piece = fc.record({
      at: fc.nat({ max: 2048 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    });
    const sizes = fc.integer({ min: 512, max: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(signature, { maxLength: 3 }),
        fc.array(piece, { maxLength: 8 }),
        sizes,
        async (signatures, pieces, size) => {
          const bytes = Buffer.alloc(size);
          for (const { at, bytes: some } of pieces) if (at < size) bytes.set(some.subarray(0, size - at), at);
          for (const { at, text } of signatures) if (at < size) bytes.write(text, at, 'latin1');
          const found = await detectFilesystem(bytesDevice(bytes), size);
          expect(filesystemSchema.safeParse(found).success).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
