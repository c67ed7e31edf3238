import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hive } from '../../src/customise/registry-hive/hive.ts';
import {
  hasRealHives,
  REAL_HIVES,
  realHive,
  realHiveBytes,
} from '../../src/customise/registry-hive/testdata/real-hives.ts';
import { numberOf, textOf } from '../../src/customise/registry-hive/value-data.ts';
import { type MachineSid, machineSidBytes } from '../../src/customise/windows/sid.ts';
import { readMachineSid } from '../../src/customise/windows/sid-hive.ts';
import {
  PHONY_ADAPTER,
  PHONY_SID,
  type PhonyRelease,
  phonySam,
  phonySecurity,
  phonySoftware,
  phonySystem,
  phonyUser,
  type RegistryTree,
} from '../../src/customise/windows/testdata/phony-registry.ts';
import { phonyHive } from '../../src/customise/windows/testdata/phony-windows.ts';
import { securityDescriptor } from './phony-windows-security.ts';

export type MasterRelease = Exclude<PhonyRelease, 'xp'>;

/** Which hives a master of this checkout has; real ones are no part of the project. */
export const HIVES_KIND = hasRealHives ? 'real hives' : 'hives of our own making';

/** Of the computer that the real SYSTEM of Windows 10 comes from. */
const WIN10_SYSTEM_SID: MachineSid = [2_734_969_515, 1_644_526_556, 1_039_763_013];
/** Setup class of network cards, and of `Characteristics` what physical ones have (NCF_PHYSICAL). */
const ADAPTERS = '{4D36E972-E325-11CE-BFC1-08002BE10318}';
const PHYSICAL = 0x4;

export interface PhonyRegistry {
  /** By their names below `Windows/System32/config`, logs too. */
  system: Record<string, Buffer>;
  /** Of every user, and in `AppData/Local/Microsoft/Windows` of one of them. */
  user: Buffer;
  classes: Record<string, Buffer>;
  sid: MachineSid;
  /** GUIDs of the physical network cards. */
  cards: string[];
  /** That one of them whose MAC this Windows knows; on Windows 7 there is none. */
  known?: { guid: string; mac: string };
}

/** Real hives where they are there, but for SOFTWARE and those of users: none of one computer could be had. */
export function phonyRegistry(release: MasterRelease): PhonyRegistry {
  const { system, opened, sid, classes } = hasRealHives
    ? realSystem(release)
    : madeSystem(release, PHONY_SID);
  const made = (tree: RegistryTree) => guarded(phonyHive(treeWithSid(tree, sid)), sid);
  return {
    system: { ...system, SOFTWARE: made(phonySoftware({ release })), DEFAULT: made(phonyUser()) },
    user: made(phonyUser()),
    classes: Object.keys(classes).length > 0 ? classes : { 'UsrClass.dat': made(phonyUser()) },
    sid,
    ...cardsOf(opened),
  };
}

interface SystemHives {
  system: Record<string, Buffer>;
  opened: Hive;
  sid: MachineSid;
  classes: Record<string, Buffer>;
}

function madeSystem(release: MasterRelease, sid: MachineSid): SystemHives {
  const opened = phonyHive(treeWithSid(phonySystem({ release }), sid));
  const [sam, security] = [phonySam(), phonySecurity()].map((tree) => phonyHive(treeWithSid(tree, sid)));
  const all = { SYSTEM: opened, SAM: sam!, SECURITY: security! };
  const system = Object.fromEntries(Object.entries(all).map(([name, hive]) => [name, guarded(hive, sid)]));
  return { system, opened, sid, classes: {} };
}

/** Real SAM and SECURITY are of one computer; the SYSTEM of Windows 10 was not closed and is of another one. */
function realSystem(release: MasterRelease): SystemHives {
  if (release === '10') {
    const made = madeSystem(release, WIN10_SYSTEM_SID);
    const system = { ...made.system, ...realFiles('win10-SYSTEM', 'SYSTEM') };
    return {
      ...made,
      system,
      opened: realHive('win10-SYSTEM'),
      classes: realFiles('UsrClass.dat', 'UsrClass.dat'),
    };
  }
  const system = {
    ...realFiles('win7-SYSTEM', 'SYSTEM'),
    ...realFiles('SAM', 'SAM'),
    ...realFiles('SECURITY', 'SECURITY'),
  };
  const sid = readMachineSid(realHive('SAM'), realHive('SECURITY'));
  return { system, opened: realHive('win7-SYSTEM'), sid, classes: {} };
}

/** One with its logs. What was copied from a running computer without its log becomes one that was closed. */
function realFiles(fixture: string, name: string): Record<string, Buffer> {
  const hive = realHive(fixture);
  if (!hive.isComplete) hive.root.ensure('Closed').remove();
  const files = { [name]: hive.isComplete ? realHiveBytes(fixture) : hive.toBuffer() };
  for (const log of ['.LOG1', '.LOG2']) {
    const path = join(REAL_HIVES, fixture + log);
    if (existsSync(path)) files[name + log] = readFileSync(path);
  }
  return files;
}

/** With a key whose permissions name a user of the computer. */
function guarded(hive: Hive, sid: MachineSid): Buffer {
  hive.root.ensure('Guarded').securityDescriptor = securityDescriptor(sid);
  return hive.toBuffer();
}

function treeWithSid(tree: RegistryTree, sid: MachineSid): RegistryTree {
  const [from, to] = [PHONY_SID.join('-'), sid.join('-')];
  const patterns: [Buffer, Buffer][] = [
    [machineSidBytes(PHONY_SID), machineSidBytes(sid)],
    [Buffer.from(from, 'utf16le'), Buffer.from(to, 'utf16le')],
  ];
  const changed = (data: Buffer) =>
    patterns.reduce((whole, [old, ours]) => {
      const at = whole.indexOf(old);
      return at < 0 ? whole : Buffer.concat([whole.subarray(0, at), ours, whole.subarray(at + old.length)]);
    }, data);
  return Object.fromEntries(
    Object.entries(tree).map(([path, values]) => [
      path.replaceAll(from, to),
      Object.fromEntries(
        Object.entries(values).map(([name, { type, data }]) => [name, { type, data: changed(data) }]),
      ),
    ]),
  );
}

function cardsOf(system: Hive): Pick<PhonyRegistry, 'cards' | 'known'> {
  const adapters = system.key(`ControlSet001\\Control\\Class\\${ADAPTERS}`)?.subkeys() ?? [];
  const cards: string[] = [];
  for (const adapter of adapters.filter(({ name }) => /^\d{4}$/.test(name))) {
    const [kind, guid] = [adapter.value('Characteristics'), adapter.value('NetCfgInstanceId')];
    if (kind && guid && (numberOf(kind) & PHYSICAL) !== 0) cards.push(textOf(guid));
  }
  const path = `ControlSet001\\Control\\NetworkSetup2\\Interfaces\\${PHONY_ADAPTER}\\Kernel`;
  const digits = system.key(path)?.value('PermanentAddress')?.data.toString('hex').match(/../g);
  return digits ? { cards, known: { guid: PHONY_ADAPTER, mac: digits.join(':') } } : { cards };
}
