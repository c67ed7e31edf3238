import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import type { Site } from '../schema/site.ts';
import { EXPORT_KINDS, type ExportKind, type ExportOptions, exportMedia } from './export.ts';
import { serverAddressOf } from './pxe-server-address.ts';
import { decodeSiteImage } from './site-image.ts';
import { writeFixtureMedia } from './testdata/media-tree-fixture.ts';

const site: Site = {
  version: 1,
  console: '10.0.0.1',
  certificateSha256: 'ab'.repeat(32),
  siteKey: 'cd'.repeat(32),
};
const EXPORTED_FILES = [
  'boot/grub/grub.cfg',
  'boot/grub/settings.cfg',
  'boot/loaders/boot.img',
  'boot/loaders/boot_hybrid.img',
  'boot/loaders/cdboot.img',
  'boot/loaders/core.img',
  'boot/loaders/esp.img',
  'boot/loaders/gcdx64.efi',
  'boot/pxeboot.com',
  'boot/site.img',
  'boot/stage1.img',
  'boot/totaldeploy.wim',
  'boot/vmlinuz',
  'grub/grub.cfg',
  'grubx64.efi',
  'manifest.json',
  'mmx64.efi',
  'shimx64.efi',
];

let dir: string;
let options: ExportOptions;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-export-'));
  options = { mediaDir: join(dir, 'media') };
  await writeFixtureMedia(options.mediaDir);
});

afterEach(() => rm(dir, { recursive: true, force: true }));

const at = (name: string) => join(dir, name);
const fileTree = async (path: string) => {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).sort();
};
const sameBytes = async (one: string, other: string) => (await readFile(one)).equals(await readFile(other));
const leftovers = async () => (await readdir(dir)).filter((name) => name !== 'media');

describe('exportMedia', () => {
  it('writes a PXE tree with settings and the site of this console, readable for a TFTP server', async () => {
    await exportMedia('pxe', at('pxe'), {
      ...options,
      site,
      timeoutSeconds: 3,
      extraParams: ['td.after=wait'],
    });
    expect(await fileTree(at('pxe'))).toEqual(EXPORTED_FILES);
    const settings = await readFile(at('pxe/boot/grub/settings.cfg'), 'utf8');
    expect(settings).toContain("set td_default='agent'\nset td_timeout='3'\nset td_params='td.after=wait'\n");
    expect(settings).toContain("set td_site='yes'\n");
    expect(decodeSiteImage(await readFile(at('pxe/boot/site.img')), 'x')).toEqual(site);
    expect((await stat(at('pxe/boot/site.img'))).mode & 0o777).toBe(0o644);
    expect(await sameBytes(at('pxe/boot/pxeboot.com'), at('media/boot/pxeboot.com'))).toBe(true);
  });

  it('never copies the site image or the settings of the medium it is made from', async () => {
    await exportMedia('pxe', at('pxe'), options);
    expect(await fileTree(at('pxe'))).toEqual(EXPORTED_FILES.filter((path) => path !== 'boot/site.img'));
    expect(await readFile(at('pxe/boot/grub/settings.cfg'), 'utf8')).toContain("set td_site=''\n");
  });

  it('writes the TFTP server into the BIOS boot file when it is told', async () => {
    await exportMedia('pxe', at('pxe'), { ...options, serverAddress: '10.1.2.3' });
    expect(serverAddressOf(await readFile(at('pxe/boot/pxeboot.com')))).toBe('10.1.2.3');
  });

  it('writes an ISO for BIOS and UEFI whose files are the media', async () => {
    await exportMedia('backup-iso', at('a.iso'), { ...options, site });
    const report = await run('xorriso', ['-indev', at('a.iso'), '-report_el_torito', 'plain', '-toc']);
    expect(report.stdout).toMatch(/El Torito boot img : +1 +BIOS +y +none/);
    expect(report.stdout).toMatch(/El Torito boot img : +2 +UEFI +y +none/);
    expect(report.stdout + report.stderr).toMatch(/Volume id +: '?TOTALDEPLOY'?/);
    await run('xorriso', ['-osirrox', 'on', '-indev', at('a.iso'), '-extract', '/', at('out')]);
    const made = ['.disk/info', 'boot.catalog', 'boot/loaders/bios-cd.img'];
    expect(await fileTree(at('out'))).toEqual([...EXPORTED_FILES, ...made].sort());
    for (const path of EXPORTED_FILES.filter((name) => !/site|settings/.test(name))) {
      expect(await sameBytes(at(`out/${path}`), at(`media/${path}`)), path).toBe(true);
    }
    expect(await readFile(at('out/boot/grub/settings.cfg'), 'utf8')).toContain("td_default='backup'");
    const table = (await readFile(at('a.iso'))).subarray(446, 510);
    expect([table[4], table[16 + 4]]).toEqual([0xcd, 0xef]);
  });

  it('writes a stick with one FAT partition that any system can read', async () => {
    await exportMedia('usb', at('a.img'), { ...options, site });
    const image = await readFile(at('a.img'));
    expect(image.readUInt16LE(510)).toBe(0xaa55);
    expect([image[446], image[450]]).toEqual([0x80, 0x0c]);
    const [start, sectors] = [image.readUInt32LE(454), image.readUInt32LE(458)];
    expect(start).toBe(2048);
    expect((start + sectors) * 512).toBe(image.length);
    expect(image.subarray(512, 512 + 500)).toEqual(Buffer.alloc(500, 'k'));
    // GRUB's sector list: the core goes on in sector 2 with 39 more.
    expect([image.readUInt32LE(1012), image.readUInt16LE(1020)]).toEqual([2, 39]);
    const copy = [`if=${at('a.img')}`, `of=${at('fat.img')}`, 'bs=1M', 'skip=1', 'conv=sparse'];
    await run('dd', copy);
    expect((await run('fsck.vfat', ['-n', at('fat.img')])).stdout).toMatch(/: 28 files/);
    const mdir = await run('mdir', ['-i', `${at('a.img')}@@1M`, '-b', '-/', '::']);
    for (const path of [
      ...EXPORTED_FILES,
      'EFI/BOOT/BOOTX64.EFI',
      'EFI/BOOT/grubx64.efi',
      'EFI/BOOT/mmx64.efi',
    ]) {
      expect(mdir.stdout.toLowerCase()).toContain(`::/${path}\n`.toLowerCase());
    }
    await run('mcopy', ['-i', `${at('a.img')}@@1M`, '::/boot/site.img', at('site.img')]);
    expect(decodeSiteImage(await readFile(at('site.img')), 'x')).toEqual(site);
    expect((await run('mlabel', ['-i', `${at('a.img')}@@1M`, '-s', '::'])).stdout).toContain('TOTALDEPLOY');
  });

  it.each(EXPORT_KINDS.filter((kind) => kind !== 'pxe'))('gives the same bytes twice: %s', async (kind) => {
    await exportMedia(kind, at('one'), { ...options, site });
    for (const path of EXPORTED_FILES) {
      // Another time, another order in the folder.
      const content = await readFile(at(`media/${path}`));
      await rm(at(`media/${path}`));
      await writeFile(at(`media/${path}`), content);
    }
    await exportMedia(kind, at('two'), { ...options, site });
    expect(await sameBytes(at('one'), at('two'))).toBe(true);
  });

  it('makes the same ISO again from the files of that ISO', async () => {
    await exportMedia('console-iso', at('one.iso'), { ...options, site });
    await run('xorriso', ['-osirrox', 'on', '-indev', at('one.iso'), '-extract', '/', at('out')]);
    await exportMedia('console-iso', at('two.iso'), { mediaDir: at('out'), site });
    expect(await sameBytes(at('one.iso'), at('two.iso'))).toBe(true);
  });
});

describe('a refused export', () => {
  const failure = async (kind: ExportKind, dest: string, more: Partial<ExportOptions> = {}) => {
    const error = await exportMedia(kind, dest, { ...options, ...more }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TdError);
    expect((error as TdError).message).not.toContain('\n');
    return `${(error as TdError).code}: ${(error as TdError).message}`;
  };

  it('names the missing boot file and leaves nothing', async () => {
    await rm(at('media/boot/totaldeploy.wim'));
    for (const kind of EXPORT_KINDS) {
      expect(await failure(kind, at('out'))).toMatch(/^not-found: .*"boot\/totaldeploy\.wim" is missing/);
    }
    await writeFile(at('media/boot/totaldeploy.wim'), '');
    expect(await failure('pxe', at('out'))).toMatch(/totaldeploy\.wim" is missing/);
    expect(await failure('pxe', at('out'), { mediaDir: at('nothing') })).toMatch(/^not-found: .*nothing/);
    expect(await leftovers()).toEqual([]);
  });

  it('touches nothing that is there already', async () => {
    await writeFile(at('mine'), 'mine');
    await mkdir(at('full'));
    await writeFile(at('full/mine'), 'mine');
    for (const kind of ['agent-iso', 'usb'] as const) {
      expect(await failure(kind, at('mine'))).toMatch(/^usage: .*exists already/);
      expect(await failure(kind, at('full'))).toMatch(/^usage: .*exists already/);
    }
    expect(await failure('pxe', at('mine'))).toMatch(/^usage: .*not a folder/);
    expect(await failure('pxe', at('full'))).toMatch(/^usage: .*not empty/);
    expect(await readFile(at('mine'), 'utf8')).toBe('mine');
    expect(await fileTree(at('full'))).toEqual(['mine']);
    await mkdir(at('empty'));
    await exportMedia('pxe', at('empty'), options);
    expect(await fileTree(at('empty'))).toContain('boot/vmlinuz');
  });

  it('says which folder does not exist', async () => {
    expect(await failure('usb', at('no/such/a.img'))).toMatch(/^not-found: .*\/no\/such" does not exist/);
  });

  it('replaces what an export that was killed left behind', async () => {
    await mkdir(at('pxe.partial/boot'), { recursive: true });
    await writeFile(at('a.iso.partial'), 'half');
    await exportMedia('pxe', at('pxe'), options);
    await exportMedia('agent-iso', at('a.iso'), options);
    expect((await leftovers()).sort()).toEqual(['a.iso', 'pxe']);
  });

  it('leaves nothing when a loader does not fit or xorriso fails', async () => {
    await writeFile(at('media/boot/loaders/core.img'), Buffer.alloc(1024 * 1024));
    expect(await failure('usb', at('a.img'))).toMatch(/^invalid: .*does not fit/);
    await writeFile(at('media/boot/loaders/cdboot.img'), 'x');
    await writeFile(at('media/boot/loaders/core.img'), 'x');
    expect(await failure('agent-iso', at('a.iso'))).toMatch(
      /^tool-failed: Cannot make the ISO: xorriso ended with/,
    );
    await writeFile(at('media/boot/pxeboot.com'), 'another file');
    expect(await failure('pxe', at('pxe'))).toMatch(/^invalid: .*pxeboot\.com/);
    expect(await leftovers()).toEqual([]);
  });

  it('leaves nothing when it is cancelled', async () => {
    for (const kind of EXPORT_KINDS) {
      const signal = AbortSignal.abort();
      expect(await failure(kind, at('out'), { signal })).toMatch(/^cancelled: .*nothing is left/);
    }
    expect(await leftovers()).toEqual([]);
  });

  it('checks kind, server and parameters before it writes', async () => {
    expect(await failure('cd' as ExportKind, at('x'))).toMatch(/^usage: .*use pxe, backup-iso/);
    expect(await failure('usb', at('x'), { serverAddress: '10.0.0.1' })).toMatch(
      /^usage: .*only the PXE export/,
    );
    expect(await failure('pxe', at('x'), { serverAddress: 'server' })).toMatch(/^usage: .*IPv4/);
    expect(await failure('pxe', at('x'), { extraParams: ["td.disk=';halt"] })).toMatch(/^usage: /);
    expect(await leftovers()).toEqual([]);
  });
});
