import { randomInt } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApplianceManifest, SIZE_LIMITS } from '../build/appliance.ts';
import { fetchPackages, fileDigest, toolsRoot } from '../build/packages.ts';
import { assembleRootfs, treeDigest } from '../build/rootfs.ts';
import { runFrom } from '../build/rootfs-run.ts';
import { assembleStage1 } from '../build/stage1.ts';
import { captureWim } from '../build/wim.ts';
import { run } from '../src/lib/spawn.ts';
import { encodeNewcArchive } from '../src/media/newc-archive.ts';
import { ChildProgram } from './driver/child-process.ts';
import { patientMs } from './driver/patience.ts';
import { DIST_DIR, ensureDir, LABS_DIR, PROGRAM_PATH } from './driver/project-paths.ts';

const BOOT_DIR = join(DIST_DIR, 'media/boot');
const WIM = join(BOOT_DIR, 'totaldeploy.wim');
/** Every byte of a small payload is too slow to try; these many, anew in each run, find a gap soon enough. */
const FLIPS = 120;
const FAILURE_LIMIT_MS = 120_000;
const BOOT_LIMIT_MS = 240_000;

let work: string;

beforeAll(async () => {
  work = await mkdtemp(join(ensureDir(LABS_DIR), 'appliance-'));
});

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

describe('the built Pre-OS', () => {
  it('is the same to the byte when it is built again from the same packages', async () => {
    const root = join(work, 'root');
    await assembleRootfs(await fetchPackages(), root);
    const wim = join(work, 'again.wim');
    await captureWim({ root, program: PROGRAM_PATH, wim, work: join(work, 'wim') });
    expect(await fileDigest(wim)).toEqual(await fileDigest(WIM));
    const stage1 = await assembleStage1(join(work, 'stage1'));
    expect(stage1.equals(await readFile(join(BOOT_DIR, 'stage1.img')))).toBe(true);
    await rm(root, { recursive: true });
  });

  it('is described by its manifest and keeps its sizes', async () => {
    const manifest: ApplianceManifest = JSON.parse(
      await readFile(join(DIST_DIR, 'media/manifest.json'), 'utf8'),
    );
    for (const file of manifest.files) {
      expect(await fileDigest(join(DIST_DIR, 'media', file.path))).toEqual({
        sha256: file.sha256,
        sizeBytes: file.sizeBytes,
      });
    }
    const names = manifest.packages.map((entry) => entry.name);
    expect(names).toEqual(
      expect.arrayContaining(['partclone', 'shim-signed', 'libc6', 'grub-efi-amd64-signed']),
    );
    expect(names.some((name) => name.startsWith('linux-image-6.12.'))).toBe(true);
    const size = async (name: string) => (await stat(join(BOOT_DIR, name))).size;
    expect((await size('vmlinuz')) + (await size('stage1.img'))).toBeLessThan(
      SIZE_LIMITS.kernelAndStage1Bytes,
    );
    expect(await size('totaldeploy.wim')).toBeLessThan(SIZE_LIMITS.wimBytes);
  });

  it('notices every flipped byte of a payload that would change what is unpacked', async () => {
    const tools = await toolsRoot();
    const root = join(work, 'small');
    await mkdir(join(root, 'usr/bin'), { recursive: true });
    for (const name of ['a', 'b', 'c']) await writeFile(join(root, name), name.repeat(40_000));
    await writeFile(join(work, 'program'), '#!/bin/sh\n');
    const wim = join(work, 'small.wim');
    await captureWim({ root, program: join(work, 'program'), wim, work: join(work, 'wim') });
    const apply = (path: string, to: string) => {
      const args = ['apply', path, '1', to, '--unix-data'];
      return runFrom(tools, 'usr/bin/wimlib-imagex', {
        args,
        run: { okCodes: Array.from({ length: 256 }, (_, i) => i) },
      });
    };
    const whole = join(work, 'whole');
    expect((await apply(wim, whole)).code).toBe(0);
    const wanted = await treeDigest(whole);
    const bytes = await readFile(wim);
    for (let i = 0; i < FLIPS; i += 1) {
      const at = randomInt(bytes.length);
      const damaged = Buffer.from(bytes);
      damaged[at] = damaged[at]! ^ (1 << randomInt(8));
      await writeFile(join(work, 'damaged.wim'), damaged);
      const to = join(work, 'unpacked');
      const { code } = await apply(join(work, 'damaged.wim'), to);
      if (code === 0) expect(await treeDigest(to), `byte ${at}`).toBe(wanted);
      await rm(to, { recursive: true, force: true });
    }
  });
});

describe('stage 1', () => {
  it('starts the program on 768 MiB from a medium and hands over the site and the medium', async () => {
    const site = encodeNewcArchive([
      { path: 'etc', permissions: 0o755 },
      { path: 'etc/totaldeploy', permissions: 0o755 },
      { path: 'etc/totaldeploy/site.json', permissions: 0o600, content: Buffer.from('{"version":0}') },
    ]);
    await using vm = await startVm('whole', { medium: await makeMedium('whole', WIM), append: site });
    await vm.expect(/TOTALDEPLOY stage1\r?\n/, patientMs(BOOT_LIMIT_MS));
    await vm.expect(/TOTALDEPLOY payload verified/, patientMs(BOOT_LIMIT_MS));
    await vm.expect(/TOTALDEPLOY start \S+ mode=/, patientMs(BOOT_LIMIT_MS));
    // The program complains about this site's version: so it was handed over.
    await vm.expect(/site\.json/, patientMs(60_000));
  });

  it('says in one line what is wrong with a payload, and what to do', async () => {
    const flipped = join(work, 'flipped.wim');
    await copyFile(WIM, flipped);
    const file = await open(flipped, 'r+');
    await file.write(Buffer.from('TOTALDEPLOY'), 0, 11, Math.floor((await file.stat()).size / 2));
    await file.close();
    const cut = join(work, 'cut.wim');
    await writeFile(cut, (await readFile(WIM)).subarray(0, 20_000_000));
    const cases: [string, string | undefined, RegExp][] = [
      [
        'flipped',
        flipped,
        /stage1 failed: Cannot use totaldeploy\.wim of the boot medium .* damaged .*copy it there again\r?\n/,
      ],
      [
        'cut',
        cut,
        /stage1 failed: Cannot use totaldeploy\.wim of the boot medium .* no whole WIM .*copy it there again\r?\n/,
      ],
      [
        'missing',
        undefined,
        /stage1 failed: Cannot read boot\/totaldeploy\.wim .* missing; copy it there\r?\n/,
      ],
    ];
    for (const [name, wim, line] of cases) {
      await using vm = await startVm(name, { medium: await makeMedium(name, wim) });
      await vm.expect(line, patientMs(FAILURE_LIMIT_MS));
      await vm.expect(/press s for a shell/, patientMs(10_000));
      expect(await vm.output()).not.toContain('payload verified');
    }
  });

  it('fetches the payload by TFTP when no server answers HTTP', async () => {
    const small = join(work, 'tftp/boot');
    await mkdir(small, { recursive: true });
    await writeFile(join(small, 'totaldeploy.wim'), 'no payload');
    const network = [
      '-netdev',
      `user,id=n0,tftp=${join(work, 'tftp')}`,
      '-device',
      'virtio-net-pci,netdev=n0,romfile=',
    ];
    await using vm = await startVm('tftp', { args: network, commandLine: 'td.boot=tftp://10.0.2.2/boot/' });
    await vm.expect(/Fetching http:\/\/10\.0\.2\.2\/boot\/totaldeploy\.wim/, patientMs(FAILURE_LIMIT_MS));
    await vm.expect(/Fetching tftp:\/\/10\.0\.2\.2\/boot\/totaldeploy\.wim/, patientMs(FAILURE_LIMIT_MS));
    await vm.expect(
      /Cannot use totaldeploy\.wim from tftp:.* no whole WIM .*put a whole copy on the server/,
      patientMs(30_000),
    );
  });
});

interface StartOptions {
  medium?: string;
  /** One more archive behind stage 1. */
  append?: Buffer;
  args?: readonly string[];
  commandLine?: string;
}

/** A machine without firmware: QEMU loads kernel and stage 1 itself. */
async function startVm(name: string, options: StartOptions): Promise<ChildProgram & AsyncDisposable> {
  let stage1 = join(BOOT_DIR, 'stage1.img');
  if (options.append !== undefined) {
    const joined = Buffer.concat([await readFile(stage1), options.append]);
    stage1 = join(work, `${name}.img`);
    await writeFile(stage1, joined);
  }
  const medium = options.medium;
  const drive = medium === undefined ? [] : ['-drive', `file=${medium},if=virtio,format=raw,readonly=on`];
  return ChildProgram.start(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
      ...[
        '-accel',
        'tcg',
        '-cpu',
        'Westmere',
        '-m',
        '768',
        '-kernel',
        join(BOOT_DIR, 'vmlinuz'),
        '-initrd',
        stage1,
      ],
      ...['-append', `console=tty0 console=ttyS0,115200 quiet ${options.commandLine ?? 'td.mode=agent'}`],
      ...drive,
      ...(options.args ?? []),
    ],
    { logPath: join(work, `${name}.log`) },
  );
}

/** A medium as stage 1 looks for it: a label, and the payload in boot/. */
async function makeMedium(name: string, wim: string | undefined): Promise<string> {
  const tree = join(work, `${name}.tree`);
  await mkdir(join(tree, 'boot'), { recursive: true });
  if (wim !== undefined) await copyFile(wim, join(tree, 'boot/totaldeploy.wim'));
  const iso = join(work, `${name}.iso`);
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-r', '-V', 'TOTALDEPLOY', '-o', iso, tree]);
  await rm(tree, { recursive: true });
  return iso;
}
