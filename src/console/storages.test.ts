import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MountedShare, MountOptions, ShareRequest } from '../disk/share-mount.ts';
import { parseShareSource } from '../disk/share-source.ts';
import { writeImage } from '../image/testdata/small-image.ts';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import type { Secret } from '../schema/template.ts';
import { ImageLibrary } from './image-library.ts';
import { Storages } from './storages.ts';

let dir: string;
let cleanups: AsyncDisposable[];
/** Servers that answer; a mount is a folder of that name. */
let up: Set<string>;
let asked: ShareRequest[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-storages-'));
  cleanups = [];
  up = new Set(['nas']);
  asked = [];
  await mkdir(join(dir, 'images'));
});
afterEach(async () => {
  for (const one of cleanups.reverse()) await one[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function mount(request: ShareRequest, { mountPoint }: MountOptions): Promise<MountedShare> {
  asked.push(request);
  const source = parseShareSource(request.kind, request.source);
  if (!up.has(source.server))
    throw new TdError('network', `Cannot use "${source.source}": it does not answer`);
  await mkdir(mountPoint, { recursive: true });
  return { path: mountPoint, source, [Symbol.asyncDispose]: async () => {} };
}

const secrets = {
  seal: (secret: Secret): Secret =>
    secret === '' ? '' : { sealed: Buffer.from(String(secret)).toString('base64'), console: 'a'.repeat(64) },
  open: (secret: Secret) =>
    typeof secret === 'string' ? secret : Buffer.from(secret.sealed, 'base64').toString(),
};

async function start(): Promise<{ storages: Storages; library: ImageLibrary }> {
  const storages = await Storages.open({
    ...{ dataDir: dir, ownDir: join(dir, 'images'), mountsDir: join(dir, 'mounts') },
    ...{ secrets, mount, logger: silentLog, lookIntervalMs: 20 },
    release: (path) => library.release(path),
  });
  const library: ImageLibrary = new ImageLibrary(join(dir, 'images'), {
    places: () => storages.imagePlaces(),
    captureFolder: () => storages.captureFolder(),
  });
  cleanups.push(storages, library);
  return { storages, library };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 5000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('Storages', () => {
  it('remembers a share with its password sealed and connects it again at the next start', async () => {
    const { storages } = await start();
    const share = {
      kind: 'smb',
      source: '\\\\nas\\images',
      user: 'ann',
      password: 'secret!',
      domain: 'LAB',
    } as const;
    expect(await storages.add({ ...share, makeDefault: true })).toMatchObject({
      ...{ id: 'images-2', kind: 'smb', source: '//nas/images', user: 'ann', problem: '' },
      ...{ isDefault: true, writable: true, path: join(dir, 'mounts/images-2') },
    });
    const text = await readFile(join(dir, 'storages.json'), 'utf8');
    expect(text).not.toContain('secret!');
    expect((await stat(join(dir, 'storages.json'))).mode & 0o777).toBe(0o600);
    const again = await start();
    again.storages.start();
    await until(async () => (await again.storages.list())[1]?.problem === '');
    expect(asked.at(-1)).toMatchObject({
      source: '//nas/images',
      user: 'ann',
      password: 'secret!',
      domain: 'LAB',
    });
    expect(again.library.dir).toBe(join(dir, 'mounts/images-2'));
  });

  it('lists a share that is down with its reason, holds nothing up and takes it when it is back', async () => {
    const first = await start();
    await first.storages.add({ kind: 'nfs', source: 'nas:/a', makeDefault: true });
    expect(first.storages.readyFolders().map((one) => one.name)).toEqual(['images', 'a']);
    await writeImage(join(dir, 'images/office.sco'));
    up.clear();
    const { storages, library } = await start();
    storages.start();
    await until(async () => /does not answer/.test((await storages.list())[1]?.problem ?? ''));
    expect(storages.readyFolders()).toEqual([{ name: 'images', path: join(dir, 'images') }]);
    expect((await library.list()).map((one) => one.name)).toEqual(['office']);
    // Captures are not sent elsewhere in silence.
    await expect(library.freeBytes()).rejects.toThrow(/Cannot store images in "a".*does not answer/);
    await storages.setDefault('images');
    expect(library.dir).toBe(join(dir, 'images'));
    up.add('nas');
    await until(async () => (await storages.list())[1]?.problem === '');
  });

  it('remembers nothing of a place that cannot be used', async () => {
    const { storages } = await start();
    const file = join(dir, 'file');
    await writeFile(file, '');
    for (const [place, reason] of [
      [{ kind: 'smb', source: '//away/x' }, /does not answer/],
      [{ kind: 'smb', source: 'nonsense' }, /write \/\/SERVER\/SHARE/],
      [{ kind: 'folder', source: '/no/such' }, /no such folder/],
      [{ kind: 'folder', source: 'here' }, /begin with \//],
      [{ kind: 'folder', source: file }, /not a folder/],
      [{ kind: 'folder', source: join(dir, 'images') }, /a place already/],
      [{ kind: 'folder', source: '/proc', makeDefault: true }, /cannot be written to/],
    ] as const) {
      await expect(storages.add(place)).rejects.toThrow(reason);
    }
    expect(await storages.list()).toHaveLength(1);
    await expect(stat(join(dir, 'storages.json'))).rejects.toThrow(/ENOENT/);
  });

  it('refuses to remove what is in use, its own folder and what is not there', async () => {
    const { storages, library } = await start();
    const other = join(dir, 'other');
    await mkdir(other);
    await writeImage(join(other, 'lab.sco'));
    await storages.add({ kind: 'folder', source: other });
    const lease = await library.lease('lab');
    await expect(storages.remove('other')).rejects.toThrow(/a job uses an image there/);
    await lease[Symbol.asyncDispose]();
    await storages.remove('other');
    expect(await storages.list()).toHaveLength(1);
    await expect(library.lease('lab')).rejects.toThrow(/Cannot find image "lab"/);
    await expect(storages.remove('images')).rejects.toThrow(/own folder/);
    await expect(storages.setDefault('other')).rejects.toThrow(/no place of that name/);
    await expect(stat(join(other, 'lab.sco'))).resolves.toBeDefined();
  });

  it('does not start with a file it cannot read', async () => {
    await writeFile(join(dir, 'storages.json'), '{"version":7}');
    await expect(start()).rejects.toThrow(/version 7.*newer program/);
  });
});

describe('images in several places', () => {
  it('keeps plain names, shows the place where two have one name, and serves each under its own', async () => {
    const { storages, library } = await start();
    for (const name of ['one', 'two']) {
      await mkdir(join(dir, name));
      await storages.add({ kind: 'folder', source: join(dir, name) });
    }
    const byName = { images: 1, one: 2, two: 3 };
    for (const [place, blocks] of Object.entries(byName)) {
      await writeImage(join(dir, place, 'office.sco'), { comment: `${blocks}` } as never);
    }
    await writeImage(join(dir, 'two/lab.sco'));
    expect((await library.list()).map((one) => one.name)).toEqual([
      'lab',
      'office',
      'one/office',
      'two/office',
    ]);
    const served = new Set<string>();
    for (const [name, place] of [
      ['office', 'images'],
      ['images/office', 'images'],
      ['one/office', 'one'],
      ['two/office', 'two'],
      [join(dir, 'two/office.sco'), 'two'],
    ] as const) {
      await using lease = await library.lease(name);
      expect(lease.reader.path).toBe(join(dir, place, 'office.sco'));
      expect(lease.name).toMatch(/^[A-Za-z0-9-]+$/);
      served.add(lease.name);
      await using again = await library.lease(lease.name);
      expect(again.reader.path).toBe(lease.reader.path);
    }
    expect(served).toContain('office');
    expect(served.size).toBe(3);
    await expect(library.lease('three/office')).rejects.toThrow(/there are: images, one, two/);
    await expect(library.lease('one/../office')).rejects.toMatchObject({ code: 'usage' });
  });
});
