import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyEdits } from '../edit.ts';
import { Hive } from '../registry-hive/hive.ts';
import { binary, text } from '../registry-hive/value-data.ts';
import { machineSidText } from './sid.ts';
import { sidEdits, sidFileEdits } from './sid-edits.ts';
import { readMachineSid } from './sid-hive.ts';
import { holdsSid, sidPatterns } from './sid-patterns.ts';
import { PHONY_SID } from './testdata/phony-registry.ts';
import {
  openPhonyWindows,
  type PhonyRelease,
  type PhonyWindows,
  phonyHive,
} from './testdata/phony-windows.ts';

const OLD = machineSidText(PHONY_SID);
const DOMAIN = 'S-1-5-21-2000000000-1000000000-1000000000';
const PROFILES = 'Microsoft\\Windows NT\\CurrentVersion\\ProfileList';
const TASKS = 'Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tasks';
const NEW_SID = { sid: 'new' } as const;
/** Always the lowest number of the same length. */
const draw = (min: number) => min;
const NEW = machineSidText([1_000_000_000, 1_000_000_000, 1_000_000_000]);
const PATTERNS = sidPatterns({ from: PHONY_SID, to: [1_000_000_000, 1_000_000_000, 1_000_000_000] });

async function put({ windows }: PhonyWindows, path: string, bytes: Buffer | string): Promise<void> {
  const host = await windows.root.resolve(path);
  await mkdir(dirname(host), { recursive: true });
  await writeFile(host, bytes);
}

async function changeAll({ windows }: PhonyWindows) {
  const registry = await applyEdits(sidEdits(NEW_SID, windows.facts, { draw }), windows);
  await windows.hives.save();
  const files = await applyEdits(sidFileEdits(NEW_SID, windows.facts), windows);
  await windows.hives.commit();
  return [...registry, ...files];
}

/** Paths of all files below that hold the SID in their content or name. */
async function holding(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const bytes = entry.isFile() ? await readFile(path) : Buffer.alloc(0);
    if (holdsSid(bytes, PATTERNS) || holdsSid(Buffer.from(path), PATTERNS))
      found.push(path.slice(dir.length + 1));
  }
  return found.sort();
}

const PLACES: Record<PhonyRelease, { roaming: string; local: string; recycler: string }> = {
  xp: {
    // As German and other editions do, it names the folders in its own language.
    roaming: 'Documents and Settings/eve/Anwendungsdaten',
    local: 'Documents and Settings/eve/Lokale Einstellungen/Anwendungsdaten',
    recycler: 'RECYCLER',
  },
  '7': { roaming: 'Users/eve/AppData/Roaming', local: 'Users/eve/AppData/Local', recycler: '$Recycle.Bin' },
  '10': { roaming: 'Users/eve/AppData/Roaming', local: 'Users/eve/AppData/Local', recycler: '$Recycle.Bin' },
};

async function furnish(phony: PhonyWindows, release: PhonyRelease): Promise<void> {
  const { roaming, local, recycler } = PLACES[release];
  const { hives } = phony.windows;
  if (release === 'xp') {
    const folders = 'Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders';
    const user = await hives.open('Documents and Settings/eve/NTUSER.DAT');
    const key = user.root.ensure(folders);
    key.set('AppData', text('%USERPROFILE%\\Anwendungsdaten'));
    key.set('Local AppData', text('%USERPROFILE%\\Lokale Einstellungen\\Anwendungsdaten'));
  }
  const software = await hives.open('SOFTWARE');
  software.root.ensure(`${PROFILES}\\${DOMAIN}-1105`).set('ProfileImagePath', text('D:\\Users\\zoe'));
  const task = Buffer.from(`\ufeff<UserId>${OLD}-1001</UserId>`, 'utf16le');
  const hash = createHash('sha256').update(task).digest();
  software.root.ensure(`${TASKS}\\{1}`).set('Hash', binary(hash));
  software.root.ensure(`${TASKS}\\{2}`).set('Hash', binary(Buffer.alloc(32, 1)));
  await hives.save();
  await hives.commit();
  const classes = phonyHive({ Local: { Owner: text(`${OLD}-1001 ${DOMAIN}`) } });
  classes.root.rename(`${OLD}-1001_Classes`);
  await put(phony, `${local}/Microsoft/Windows/UsrClass.dat`, classes.toBuffer());
  await put(phony, `${local}/Packages/App/Settings/settings.dat`, classes.toBuffer());
  await put(phony, `${roaming}/Microsoft/Crypto/RSA/${OLD}-1001/key`, 'key');
  await put(phony, `${roaming}/Microsoft/Crypto/RSA/${DOMAIN}-1105/key`, 'key');
  await put(phony, `${roaming}/Microsoft/Protect/${OLD}-1001/Preferred`, 'sealed');
  await put(phony, `${recycler}/${OLD}-1001/desktop.ini`, '');
  await put(phony, `${phony.windows.facts.systemDir}/System32/Tasks/Sync-${OLD}-1001`, task);
}

describe('a new SID', () => {
  it.each(['xp', '7', '10'] as const)(
    'is everywhere in Windows %s, and the old one nowhere',
    async (release) => {
      await using phony = await openPhonyWindows({ release });
      await furnish(phony, release);
      const results = await changeAll(phony);
      expect(results.filter(({ result }) => result !== 'done')).toEqual([]);
      const { roaming, recycler } = PLACES[release];
      const sealed = `${roaming}/Microsoft/Protect/${OLD}-1001`;
      expect(await holding(phony.dir)).toEqual([sealed, `${sealed}/Preferred`]);
      const { systemDir } = phony.windows.facts;
      const { root, hives } = phony.windows;
      const hive = async (name: string) => Hive.parse(await root.read(hives.pathOf(name)));
      expect(machineSidText(readMachineSid(await hive('SAM'), await hive('SECURITY')))).toBe(NEW);
      const software = await hive('SOFTWARE');
      const names = software
        .key(PROFILES)!
        .subkeys()
        .map(({ name }) => name);
      expect(names).toEqual(['S-1-5-18', `${NEW}-1001`, `${DOMAIN}-1105`]);
      const task = await root.read(`${systemDir}/System32/Tasks/Sync-${NEW}-1001`);
      expect(software.key(`${TASKS}\\{1}`)!.value('Hash')!.data).toEqual(
        createHash('sha256').update(task).digest(),
      );
      expect(software.key(`${TASKS}\\{2}`)!.value('Hash')!.data).toEqual(Buffer.alloc(32, 1));
      expect((await readdir(join(phony.dir, roaming, 'Microsoft/Crypto/RSA'))).sort()).toEqual([
        `${NEW}-1001`,
        `${DOMAIN}-1105`,
      ]);
      expect(await readdir(join(phony.dir, recycler))).toEqual([`${NEW}-1001`]);
    },
  );

  it('is left to Windows after sysprep, and not made when it is to stay', async () => {
    await using phony = await openPhonyWindows({ release: '10', sysprepped: true });
    const { facts } = phony.windows;
    const results = await applyEdits(sidEdits(NEW_SID, facts), phony.windows);
    expect(results).toMatchObject([{ result: 'skipped', reason: expect.stringContaining('sysprep') }]);
    expect(sidFileEdits(NEW_SID, facts)).toEqual([]);
    expect(sidEdits({ sid: 'keep' }, facts)).toEqual([]);
  });

  it.each([
    [
      'of a domain controller',
      'SYSTEM',
      'ControlSet001\\Control\\ProductOptions',
      { ProductType: text('LanmanNT') },
      /domain controller/,
    ],
    [
      'with a profile on another volume',
      'SOFTWARE',
      `${PROFILES}\\${OLD}-1002`,
      { ProfileImagePath: text('D:\\Users\\zoe') },
      /profile "D:\\Users\\zoe" is on another volume/,
    ],
    [
      'that differs between its hives',
      'SECURITY',
      'Policy\\PolAcDmS',
      { '': binary(Buffer.alloc(24)) },
      /SECURITY/,
    ],
  ])('is refused for one %s, and then no file follows', async (_, name, key, values, reason) => {
    await using phony = await openPhonyWindows({ release: '10' });
    const hive = await phony.windows.hives.open(name);
    for (const [field, content] of Object.entries(values)) hive.root.ensure(key).set(field, content);
    const [registry, ...files] = await changeAll(phony);
    expect(registry).toMatchObject({ result: 'failed', reason: expect.stringMatching(reason) });
    expect(new Set(files.map(({ result }) => result))).toEqual(new Set(['skipped']));
    expect(phony.windows.sidChange).toBeUndefined();
  });

  it('reaches the other apps when the registry of one is damaged', async () => {
    await using phony = await openPhonyWindows({ release: '10' });
    const app = phonyHive({ Local: { Owner: text(OLD) } }).toBuffer();
    await put(phony, 'Users/eve/AppData/Local/Packages/A/Settings/settings.dat', Buffer.alloc(8192, 1));
    await put(phony, 'Users/eve/AppData/Local/Packages/B/Settings/settings.dat', app);
    const failed = (await changeAll(phony)).filter(({ result }) => result === 'failed');
    expect(failed).toMatchObject([{ reason: expect.stringMatching(/^1 of 2 .*Packages\/A/) }]);
    expect(await holding(phony.dir)).toEqual([]);
  });
});
