import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import type { Customisation } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import type { MachineFacts, PciDevice } from '../machine-facts.ts';
import { Hive } from '../registry-hive/hive.ts';
import { makePhonyWindows } from './testdata/phony-windows.ts';
import { windowsEdits } from './windows-edits.ts';
import { openWindows, saveWindows } from './windows-root.ts';

const HIVES = join(import.meta.dirname, '../../../../shared/fixtures/hives');
const CONFIG = 'Windows/System32/config';
const openFile = async function* () {};

const CUSTOMISATION: Customisation = {
  computerName: 'Lab-07',
  membership: { kind: 'workgroup', name: 'ROOM3' },
  network: {
    kind: 'static',
    address: '10.1.2.3',
    prefixLength: 24,
    gateway: '10.1.2.1',
    dnsServers: ['10.1.2.2'],
    dnsSuffix: 'lab.example',
  },
  users: [{ name: 'eve', fullName: '', password: 'secret', group: 'users' }],
  sid: 'keep',
  files: [],
  applications: [],
  drivers: [],
};
const controller = (vendor: number, device: number, classCode: number): PciDevice => ({
  address: '0000:00:1f.2',
  vendor,
  device,
  classCode,
  subsystemVendor: 0,
  subsystem: 0,
  revision: 0,
});
const MACHINE: MachineFacts = {
  macs: ['ec:f4:bb:48:7f:ed'],
  pciDevices: [controller(0x8086, 0x2922, 0x010601), controller(0x8086, 0x2822, 0x010400)],
};

/** What any of the edits may change; everything else has to be the same. */
const MAY_CHANGE = [
  /^\\Setup$/i,
  /^\\ControlSet\d{3}\\Control\\ComputerName\\(?:Active)?ComputerName$/i,
  /^\\ControlSet\d{3}\\Services\\(?:Netlogon|\{[0-9A-F-]+\}\\Parameters\\Tcpip)$/i,
  /^\\ControlSet\d{3}\\Services\\Tcpip\\Parameters(?:$|\\Interfaces\\|\\PersistentRoutes$)/i,
  /^\\ControlSet\d{3}\\Services\\(?:msahci|storahci|iaStorV|iaStorAV\w*)(?:\\StartOverride)?$/i,
  /^\\Policy\\(?:PolAcDmN|PolPrDmN|PolPrDmS|PolDn\w+)$/i,
  // This computer was a member of a domain.
  /^\\Policy\\Secrets\\\$MACHINE\.ACC(?:$|\\)/i,
];

/** A real SYSTEM, SAM and SECURITY with a SOFTWARE of our own, since no real one could be had. */
async function customisedReal(dir: string, release: '7' | '10') {
  const path = (name: string) => join(dir, CONFIG, name);
  await makePhonyWindows(dir, { release });
  await writeFile(join(dir, 'Windows/System32/drivers/iaStorAV.sys'), '');
  const before: Record<string, Hive> = {};
  for (const [name, fixture] of Object.entries({
    SYSTEM: `win${release}-SYSTEM`,
    SAM: 'SAM',
    SECURITY: 'SECURITY',
  })) {
    const bytes = await readFile(join(HIVES, fixture));
    const logs: Buffer[] = [];
    for (const suffix of ['.LOG1', '.LOG2']) {
      if (!existsSync(join(HIVES, fixture + suffix))) continue;
      logs.push(await readFile(join(HIVES, fixture + suffix)));
      await writeFile(path(name + suffix), logs.at(-1)!);
    }
    const hive = Hive.parse(bytes, { logs, acceptLoss: true });
    // This SECURITY was copied from a running computer without its log; make it one that was closed.
    if (!hive.isComplete) hive.root.ensure('Closed').remove();
    await writeFile(path(name), hive.isComplete ? bytes : hive.toBuffer());
    before[name] = hive;
  }
  const windows = (await openWindows(dir, { openFile }))!;
  const results = await applyEdits(windowsEdits(CUSTOMISATION, windows.facts, MACHINE), windows);
  await saveWindows(windows);
  await windows.hives.commit();
  for (const [name, hive] of Object.entries(before)) await writeFile(path(`${name}.before`), hive.toBuffer());
  return { path, windows, results };
}

async function temporaryFolder() {
  const dir = await mkdtemp(join(tmpdir(), 'td-real-'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

/** Every key with its values, as hivex reads them. */
async function keysByHivex(file: string): Promise<Map<string, string>> {
  const { stdout } = await run('hivexregedit', ['--export', '--unsafe-printable-strings', file, ''], {
    outputBytesMax: 256 * 1024 * 1024,
  });
  const sections = stdout.split(/^(?=\[)/m).slice(1);
  return new Map(sections.map((section) => [section.slice(1, section.indexOf(']\n')), section]));
}

/** One key as chntpw's reged reads it, lines `"NAME"=VALUE`. */
async function keyByReged(file: string, key: string): Promise<string> {
  const out = `${file}.reg`;
  await run('reged', ['-x', file, 'H', key, out], { okCodes: [0, 1, 2] });
  return (await readFile(out, 'utf8')).replaceAll('\r', '');
}

async function compared(path: (name: string) => string, name: string) {
  const [before, after] = [await keysByHivex(path(`${name}.before`)), await keysByHivex(path(name))];
  const all = new Set([...before.keys(), ...after.keys()]);
  return { after, changed: [...all].filter((key) => before.get(key) !== after.get(key)) };
}

describe.skipIf(!existsSync(HIVES))(`real hives (skipped without ${HIVES})`, () => {
  it.each(['7', '10'] as const)(
    'of Windows %s are edited as two other readers see it, and nothing else',
    async (release) => {
      await using temporary = await temporaryFolder();
      const { path, windows, results } = await customisedReal(temporary.dir, release);
      expect(results.filter(({ result }) => result !== 'done')).toEqual([]);
      const [system, security] = [await compared(path, 'SYSTEM'), await compared(path, 'SECURITY')];
      const wrong = [...system.changed, ...security.changed].filter(
        (key) => !MAY_CHANGE.some((pattern) => pattern.test(key)),
      );
      expect(wrong).toEqual([]);
      expect(await readFile(path('SAM'))).toEqual(await readFile(path('SAM.before')));

      const hivex = system.after;
      /** chntpw's names are case-sensitive. */
      const spelled = (key: string) =>
        [...hivex.keys()].find((each) => each.toLowerCase() === `\\${key}`.toLowerCase())!;
      for (const set of windows.facts.controlSets) {
        const name = `${set}\\Control\\ComputerName\\ComputerName`;
        expect(hivex.get(spelled(name))).toContain('"ComputerName"=str(1):"LAB-07"');
        expect(await keyByReged(path('SYSTEM'), name)).toContain('"ComputerName"="LAB-07"');
        const tcpip = spelled(`${set}\\Services\\Tcpip\\Parameters`);
        expect(hivex.get(tcpip)).toContain('"NV Hostname"=str(1):"Lab-07"');
        const byReged = await keyByReged(path('SYSTEM'), tcpip.slice(1));
        expect(byReged).toContain('"Hostname"="Lab-07"');
        expect(byReged).toContain('"SearchList"="lab.example"');
      }
      const setup = await keyByReged(path('SYSTEM'), 'Setup');
      expect(setup).toContain('"SetupType"=dword:00000002');
      expect(setup).toContain('firststart.cmd');
      const policy = await keyByReged(path('SECURITY'), 'Policy\\PolPrDmN');
      // "ROOM3" with length 10, maximum 12, offset 8.
      expect(policy.replaceAll(/\\\n\s*/g, '')).toContain(
        '0a,00,0c,00,08,00,00,00,52,00,4f,00,4f,00,4d,00,33,00,00,00',
      );
    },
  );
});
