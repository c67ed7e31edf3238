import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { applyEdits } from '../edit.ts';
import { SystemRoot } from '../system-root.ts';
import { initramfsEdits } from './initramfs.ts';
import { detectLinux, type LinuxFacts } from './linux-facts.ts';
import { makeTree, TREES, type Tree } from './testdata/linux-trees.ts';

const OLD = '6.1.0-9-amd64';
const NEW = '6.1.0-10-amd64';
const VIRTIO = ['virtio_blk', 'virtio_pci'];
const LISTED = `usr/lib/modules/${NEW}/kernel/drivers/block/virtio_blk.ko
usr/lib/modules/${NEW}/kernel/drivers/virtio/virtio-pci.ko.xz
etc/sd_mod.conf
`;

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-initramfs-'));
});
afterEach(() => rm(dir, { recursive: true }));

interface Computer {
  diskModules?: string[];
  /** What each initramfs holds; none can be listed when missing. */
  contents?: Record<string, string>;
  files?: Tree;
}

async function calls({ diskModules, contents, files = {} }: Computer) {
  const images = Object.keys(contents ?? {}).map((name) => [`boot/${name}`, ''] as const);
  await makeTree(dir, { ...TREES.DEBIAN, ...Object.fromEntries(images), ...files });
  const root = new SystemRoot(dir);
  const facts = (await detectLinux(root)) as LinuxFacts;
  const called: string[] = [];
  const machine = { macs: [], pciDevices: [], ...(diskModules === undefined ? {} : { diskModules }) };
  const [result] = await applyEdits(initramfsEdits(facts, machine), {
    ...{ root, facts, firstStart: [], openFile: async function* () {} },
    runInside: async (program, [path = '']) => {
      called.push(program);
      const stdout = program === 'lsinitramfs' ? contents?.[path.slice('/boot/'.length)] : '';
      if (stdout === undefined) throw new TdError('tool-failed', 'no');
      return { code: 0, stdout, stderr: '' };
    },
  });
  return { result, called };
}

const kernel = (version: string, builtin = '') => ({ [`lib/modules/${version}/modules.builtin`]: builtin });

describe("an initramfs for the master's controllers alone", () => {
  it("is left as it is when it has the drivers of this computer's disk", async () => {
    const { result, called } = await calls({
      diskModules: VIRTIO,
      contents: { [`initrd.img-${NEW}`]: LISTED, 'initrd.img-6.1.0-1-amd64.bak': '' },
      files: kernel(NEW),
    });
    expect(called).toEqual(['lsinitramfs']);
    const reason = "it has those of this computer's disk: virtio_blk, virtio_pci";
    expect(result).toMatchObject({ result: 'skipped', reason });
  });

  it('counts drivers that the kernel itself has', async () => {
    const files = kernel(NEW, 'kernel/drivers/nvme/host/nvme.ko\n');
    const computer = { contents: { [`initrd.img-${NEW}`]: LISTED }, files };
    expect((await calls({ ...computer, diskModules: ['nvme'] })).called).toEqual(['lsinitramfs']);
  });

  const contents = { [`initrd.img-${NEW}`]: LISTED };
  it.each<[string, Computer]>([
    ['lacks one of them', { diskModules: [...VIRTIO, 'sd_mod'], contents, files: kernel(NEW) }],
    [
      'of one of several kernels lacks them',
      {
        diskModules: VIRTIO,
        contents: { ...contents, [`initrd.img-${OLD}`]: '' },
        files: { ...kernel(NEW), ...kernel(OLD) },
      },
    ],
    ['is nowhere', { diskModules: VIRTIO, contents: {}, files: kernel(NEW) }],
    ['cannot be read', { diskModules: VIRTIO, files: { ...kernel(NEW), [`boot/initrd.img-${NEW}`]: '' } }],
    ['is for a computer whose drivers are not known', { contents, files: kernel(NEW) }],
    ['is for a computer without a driver', { diskModules: [], contents, files: kernel(NEW) }],
  ])('is made anew when it %s', async (_what, computer) => {
    const { result, called } = await calls(computer);
    expect(called.at(-1)).toBe('update-initramfs');
    expect(result?.result).toBe('done');
  });
});
