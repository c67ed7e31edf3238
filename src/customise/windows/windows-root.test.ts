import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { text } from '../registry-hive/value-data.ts';
import { makePhonyWindows, openPhonyWindows } from './testdata/phony-windows.ts';
import { openWindows } from './windows-root.ts';

const openFile = async function* () {};
const CONFIG = 'Windows/System32/config';
const VERSION = 'Microsoft\\Windows NT\\CurrentVersion';

async function volume(): Promise<AsyncDisposable & { dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'td-windows-'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

describe('openWindows', () => {
  it.each([
    ['xp', { release: { major: 5, minor: 1, build: 2600 }, architecture: 'x86', systemDir: 'WINDOWS' }],
    ['7', { release: { major: 6, minor: 1, build: 7601 }, architecture: 'x86', hasPowerShell: true }],
    ['10', { release: { major: 10, minor: 0, build: 19045 }, architecture: 'amd64', hasPowerShell: true }],
  ] as const)('reads the facts of Windows %s', async (release, facts) => {
    await using phony = await openPhonyWindows({ release });
    expect(phony.windows.facts).toMatchObject({ ...facts, sysprepped: false, systemDrive: 'C:' });
    await using sysprepped = await openPhonyWindows({ release, sysprepped: true });
    expect(sysprepped.windows.facts.sysprepped).toBe(true);
  });

  it('names Windows 11 as such, and puts first the control set that it starts with', async () => {
    await using phony = await openPhonyWindows({ release: '7' });
    const { hives } = phony.windows;
    (await hives.open('SOFTWARE')).root.ensure(VERSION).set('CurrentBuildNumber', text('26100'));
    (await hives.open('SOFTWARE')).root.ensure(VERSION).set('ProductName', text('Windows 10 Pro'));
    const select = (await hives.open('SYSTEM')).root.ensure('Select');
    select.set('Default', { type: 4, data: Buffer.from([2, 0, 0, 0]) });
    await hives.save();
    await hives.commit();
    const { facts } = (await openWindows(phony.dir, { openFile }))!;
    expect(facts.productName).toBe('Windows 11 Pro');
    expect(facts.controlSets).toEqual(['ControlSet002', 'ControlSet001']);
  });

  it('finds no Windows where its registry is missing', async () => {
    await using phony = await volume();
    expect(await openWindows(phony.dir, { openFile })).toBeUndefined();
    await makePhonyWindows(phony.dir, { release: '10' });
    await rm(join(phony.dir, CONFIG, 'SOFTWARE'));
    expect(await openWindows(phony.dir, { openFile })).toBeUndefined();
  });

  it.each(['hibr', 'HIBR', 'RSTR'])(
    'refuses a hibernated one (%s) and leaves it alone',
    async (signature) => {
      await using phony = await volume();
      await makePhonyWindows(phony.dir, { release: '10' });
      await writeFile(join(phony.dir, 'hiberfil.sys'), `${signature}${'\0'.repeat(4092)}`);
      await expect(openWindows(phony.dir, { openFile })).rejects.toMatchObject({
        code: 'refused',
        message: expect.stringContaining('hibernated'),
      });
    },
  );

  it.each(['wake', '\0\0\0\0', ''])(
    'takes one whose hibernation file holds no session (%j)',
    async (start) => {
      await using phony = await volume();
      await makePhonyWindows(phony.dir, { release: '10' });
      await writeFile(join(phony.dir, 'hiberfil.sys'), start);
      expect(await openWindows(phony.dir, { openFile })).toBeDefined();
    },
  );

  it('refuses a registry whose changes are in no log', async () => {
    await using phony = await volume();
    await makePhonyWindows(phony.dir, { release: '10' });
    const path = join(phony.dir, CONFIG, 'SAM');
    const bytes = await readFile(path);
    bytes.writeUInt32LE(bytes.readUInt32LE(4) + 1, 4); // the first sequence number alone
    let checksum = 0;
    for (let at = 0; at < 508; at += 4) checksum ^= bytes.readUInt32LE(at);
    bytes.writeUInt32LE(checksum >>> 0, 508);
    await writeFile(path, bytes);
    await expect(openWindows(phony.dir, { openFile })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('registry hive SAM was not closed'),
    });
  });

  it('refuses releases before XP', async () => {
    await using phony = await openPhonyWindows({ release: 'xp' });
    const { hives } = phony.windows;
    (await hives.open('SOFTWARE')).root.ensure(VERSION).set('CurrentVersion', text('5.0'));
    await hives.save();
    await hives.commit();
    await expect(openWindows(phony.dir, { openFile })).rejects.toThrow('is Windows 5.0; the oldest');
  });
});
