import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FirstStart } from './first-start.ts';
import { asciiJson, firstStartFiles } from './first-start-files.ts';
import { firstStartSteps } from './first-start-steps.ts';

const TEN = { systemDir: 'Windows', release: { major: 10, minor: 0, build: 19045 }, hasPowerShell: true };
const XP = { systemDir: 'WINDOWS', release: { major: 5, minor: 1, build: 2600 }, hasPowerShell: false };

const FIRST_START: FirstStart = {
  users: [{ name: 'eve', fullName: 'Eve', password: 'user-secret', group: 'power-users' }],
  domain: { name: 'lab.example.org', user: 'LAB\\joiner', password: 'domain-secret', ou: '' },
  network: {
    macs: ['52:54:00:ab:cd:ef'],
    settings: { kind: 'dhcp', dnsServers: ['10.0.0.2'], dnsSuffix: '' },
  },
  programs: [{ path: 'C:/Tools/a b.ps1', arguments: '-Key "program-secret"' }],
  driverFolders: ['%SystemRoot%\\Drivers'],
};
const SECRETS = ['user-secret', 'domain-secret', 'program-secret'];

function render(firstStart: FirstStart, facts = TEN, startedBy: 'setup' | 'answer-file' = 'setup') {
  const files = firstStartFiles(firstStart, { facts, startedBy });
  return Object.fromEntries(files.map(({ path, data }) => [path, data]));
}

describe('firstStartFiles', () => {
  it('puts every value into the settings, and none into a script', () => {
    const nothing: FirstStart = { users: [], programs: [], driverFolders: [] };
    for (const facts of [TEN, XP]) {
      const [full, empty] = [render(FIRST_START, facts), render(nothing, facts)];
      const settings = `${facts.systemDir}/TotalDeploy/settings.json`;
      for (const secret of SECRETS) expect(full[settings]?.toString()).toContain(secret);
      delete full[settings];
      delete empty[settings];
      expect(full).toEqual(empty);
      // Batch files and scripts are read in the code page of the target.
      for (const data of Object.values(full)) expect(data.toString('latin1')).toMatch(/^[\r\n\x20-\x7e]*$/);
    }
  });

  it('takes PowerShell from Windows 8 on, and the script host before', () => {
    const script = (facts: typeof TEN) => Object.keys(render(FIRST_START, facts)).join(' ');
    expect(script(TEN)).toContain('firststart.ps1');
    expect(script({ ...TEN, release: { major: 6, minor: 1, build: 7601 } })).toContain('firststart.js ');
    expect(script({ ...TEN, hasPowerShell: false })).toContain('firststart.js ');
    expect(script(XP)).toContain('WINDOWS/TotalDeploy/firststart.js ');
  });

  it('leaves the values of SYSTEM\\Setup, and the restart, to a Setup that runs', () => {
    const batch = (startedBy: 'setup' | 'answer-file') =>
      render(FIRST_START, TEN, startedBy)['Windows/TotalDeploy/firststart.cmd']?.toString();
    expect(batch('setup')).toMatch(/SetupType[\s\S]*shutdown\.exe/);
    expect(batch('answer-file')).not.toMatch(/SetupType|shutdown/);
  });

  it('writes settings that are ASCII, JSON and JScript alike for any value', () => {
    const value = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(value, value, value, (name, password, line) => {
        const users = [{ name, fullName: line, password, group: 'users' as const }];
        const steps = firstStartSteps(
          { ...FIRST_START, users, programs: [{ path: 'C:\\a.exe', arguments: line }] },
          TEN,
        );
        const text = asciiJson(steps);
        expect(text).toMatch(/^[\x20-\x7e]*$/);
        expect(JSON.parse(text)).toEqual(steps);
        expect(new Function(`return (${text})`)()).toEqual(steps);
        // .NET's reader of JSON would take such a text for a date.
        expect(text).not.toContain('"\\/Date(');
      }),
    );
  });
});

describe('firstStartSteps', () => {
  it('tells what it does without secrets and without the arguments of programs', () => {
    const steps = firstStartSteps(FIRST_START, TEN);
    expect(steps.map(({ text }) => text)).toEqual([
      'user "eve"',
      'drivers of %SystemRoot%\\Drivers',
      'addresses by DHCP',
      'domain lab.example.org',
      'program C:\\Tools\\a b.ps1',
    ]);
    expect(steps.at(-1)).toMatchObject({
      arguments:
        '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "C:\\Tools\\a b.ps1" -Key "program-secret"',
    });
    expect(steps[3]).toMatchObject({ user: 'LAB\\joiner', waitSeconds: [15, 45] });
    expect(steps[2]).toMatchObject({
      macs: ['52:54:00:AB:CD:EF'],
      netsh: [
        'interface ip set address {connection} dhcp',
        'interface ip set dns {connection} static 10.0.0.2',
      ],
    });
  });

  it('leaves drivers of XP to its Plug and Play', () => {
    expect(firstStartSteps(FIRST_START, XP).map(({ kind }) => kind)).toEqual(['user', 'card', 'join', 'run']);
  });
});
