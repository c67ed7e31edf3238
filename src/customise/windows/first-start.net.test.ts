import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import type { FirstStart } from './first-start.ts';
import { FIRST_START_COMMAND, firstStartFiles } from './first-start-files.ts';

/**
 * The real files of a first start in Wine: its cmd runs the batch and its script host the program. Objects of Windows that
 * Wine lacks are `testdata/windows-objects.jscript`; Windows' tools and the programs of a customisation are one program that
 * records its command line.
 */
const TESTDATA = join(import.meta.dirname, 'testdata');
const TOOLS = ['netsh', 'fsutil', 'pnputil', 'shutdown', 'msiexec'];
const XP = { systemDir: 'windows', release: { major: 5, minor: 1, build: 2600 }, hasPowerShell: false };
const SEVEN = { ...XP, release: { major: 6, minor: 1, build: 7601 }, hasPowerShell: true };
const NOTHING: FirstStart = { users: [], programs: [], driverFolders: [] };

let dir: string;
let drive: string;

async function wine(...argv: string[]): Promise<string> {
  const env = {
    ...process.env,
    WINEPREFIX: join(dir, 'prefix'),
    WINEDEBUG: '-all',
    WINEDLLOVERRIDES: `mscoree,mshtml=;${TOOLS.map((name) => `${name}.exe`).join(',')}=n`,
  };
  return (await run('/usr/lib/wine/wine64', argv, { env, cwd: dir })).stdout;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-wine-'));
  drive = join(dir, 'prefix/drive_c');
  await run('as', ['-o', join(dir, 'recorder.o'), join(TESTDATA, 'recorder.s')]);
  const recorder = join(dir, 'recorder.exe');
  await run('objcopy', ['-O', 'binary', '-j', '.text', join(dir, 'recorder.o'), recorder]);
  await wine('wineboot', '-i');
  for (const name of TOOLS) {
    const path = join(drive, `windows/system32/${name}.exe`);
    await rm(path, { force: true });
    await copyFile(recorder, path);
  }
  await mkdir(join(drive, 'Program Files/A & B'), { recursive: true });
  await copyFile(recorder, join(drive, 'Program Files/A & B/recorder 100%.exe'));
}, 120_000);

afterAll(async () => {
  await run('/usr/lib/wine/wineserver64', ['-k'], {
    env: { ...process.env, WINEPREFIX: join(dir, 'prefix') },
    okCodes: [0, 1],
  });
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
}, 60_000);

const PROGRAM = 'C:\\Program Files\\A & B\\recorder 100%.exe';

/** Lays the files out, starts them as Windows does, and tells what they called. */
async function start(firstStart: FirstStart, facts = XP) {
  for (const name of ['calls.txt', 'objects.txt', 'ProgramData/TotalDeploy/firststart.log']) {
    await rm(join(drive, name), { force: true });
  }
  const files = firstStartFiles(firstStart, { facts, startedBy: 'setup' });
  const objects = await readFile(join(TESTDATA, 'windows-objects.jscript'), 'utf8');
  for (const { path, data } of files) {
    const file = join(drive, path);
    await mkdir(join(file, '..'), { recursive: true });
    const text = data.toString('latin1').replace('"waitSeconds":[15,45]', '"waitSeconds":[0,0]');
    await writeFile(file, (path.endsWith('.js') ? objects : '') + text, 'latin1');
  }
  // One start of Wine for all of it.
  const setup = 'HKLM\\SYSTEM\\Setup';
  const script = [
    '@echo off',
    `reg add ${setup} /v SetupType /t REG_DWORD /d 2 /f >nul`,
    `reg add ${setup} /v CmdLine /d started /f >nul`,
    FIRST_START_COMMAND.replaceAll('%SystemRoot%', 'C:\\windows'),
    `reg query ${setup}`,
    'reg query HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip /s',
  ];
  await writeFile(join(drive, 'run.cmd'), script.join('\r\n'));
  const registry = await wine('cmd', '/d', '/c', 'C:\\run.cmd');
  const text = (name: string, encoding: BufferEncoding) =>
    readFile(join(drive, name), encoding).catch(() => '');
  return {
    left: (await readdir(join(drive, 'windows/TotalDeploy')).catch(() => [])) as string[],
    calls: (await text('calls.txt', 'utf16le')).split('\r\n').slice(0, -1),
    objects: (await text('objects.txt', 'latin1'))
      .split('\r\n')
      .slice(0, -1)
      .map((line) => line.split(' ').map(unescapeJscript)),
    registry,
    log: await text('ProgramData/TotalDeploy/firststart.log', 'utf16le'),
  };
}

/** The inverse of JScript's `escape`. */
function unescapeJscript(text: string): string {
  return text.replace(/%u([0-9A-F]{4})|%([0-9A-F]{2})/g, (_all, wide: string, narrow: string) =>
    String.fromCharCode(Number.parseInt(wide ?? narrow, 16)),
  );
}

describe('the first start of a deployed Windows', () => {
  it('does everything in order, takes itself away, and starts again after it joined a domain', async () => {
    const password = `a" %PATH%!&^<>|;'é€ \\`;
    const { calls, objects, log, left, registry } = await start(
      {
        users: [
          { name: 'Jürgen & Co', fullName: 'J. "100%"', password, group: 'administrators' },
          { name: 'here already', fullName: '', password: '', group: 'users' },
        ],
        domain: { name: 'lab.example.org', user: 'admin', password: `${password}!`, ou: 'OU=Lab & Co' },
        network: {
          macs: ['52:54:00:00:00:0c', '52:54:00:00:00:0a', '52:54:00:00:00:0b'],
          settings: {
            kind: 'static',
            address: '10.0.0.5',
            prefixLength: 20,
            gateway: '10.0.0.1',
            dnsServers: ['10.0.0.2', '10.0.0.3'],
            dnsSuffix: 'lab.example.org',
          },
        },
        driverFolders: ['%SystemRoot%\\Drivers 1'],
        programs: [
          { path: PROGRAM, arguments: `"x y" %SystemRoot% 100% & ^ < > | ; 'ü€' 7` },
          { path: 'C:\\not there.exe', arguments: '' },
          { path: 'C:\\a b\\Setup.MSI', arguments: 'KEY="a b"' },
        ],
      },
      SEVEN,
    );
    expect(left).toEqual([]);
    const system32 = '"C:\\windows\\System32\\';
    expect(calls.slice(1)).toEqual([
      `${system32}pnputil.exe" -i -a "C:\\windows\\Drivers 1\\*.inf"`,
      `${system32}netsh.exe" interface ip set address "LAN-Verbindung ä & 100%" static 10.0.0.5 255.255.240.0 10.0.0.1 1`,
      `${system32}netsh.exe" interface ip set dns "LAN-Verbindung ä & 100%" static 10.0.0.2`,
      `${system32}netsh.exe" interface ip add dns "LAN-Verbindung ä & 100%" 10.0.0.3`,
      `"${PROGRAM}" "x y" C:\\windows 100% & ^ < > | ; 'ü€' 7`,
      `${system32}msiexec.exe" /i "C:\\a b\\Setup.MSI" /qn /norestart KEY="a b"`,
      `${system32}shutdown.exe" -r -f -t 0`,
    ]);
    expect(objects.filter(([what]) => what !== 'query')).toEqual([
      ['create', 'user', 'Jürgen & Co'],
      ['password', 'Jürgen & Co', password],
      ['save', 'Jürgen & Co', '', 'undefined'],
      ['save', 'Jürgen & Co', 'J. "100%"', 'false'],
      ['add', 'WinNT://./Administratoren,group', 'WinNT://GROUP/PC/Jürgen & Co'],
      ['save', 'here already', '', 'false'],
      ...Array(3).fill([
        'join',
        'lab.example.org',
        `${password}!`,
        'admin@lab.example.org',
        'OU=Lab & Co',
        '35',
      ]),
    ]);
    const lines = log.split('\r\n').map((text) => text.replace(/^.{20}/, ''));
    expect(lines.filter((text) => /exit|fail|joined|again/.test(text))).toEqual([
      'domain lab.example.org: Windows error 1355; trying again in 0 s',
      'domain lab.example.org: Windows error 1355; trying again in 0 s',
      'domain lab.example.org: joined',
      `program ${PROGRAM}: exit code 7`,
      expect.stringContaining('program C:\\not there.exe: failed: '),
      'program C:\\a b\\Setup.MSI: exit code 0',
      'done; starting again',
    ]);
    for (const secret of [password, 'KEY=', 'x y']) expect(log).not.toContain(secret);
    expect(registry).toMatch(/SetupType +REG_DWORD +0x0/);
    expect(registry).toMatch(/CmdLine +REG_SZ *\r?\n/);
    expect(registry).toMatch(/\{00000007\}\s+Domain +REG_SZ +lab\.example\.org/);
  });

  it('hands every value on as it is', async () => {
    const unit = fc.oneof(
      fc.constantFrom(...' "%!&^<>|;\'`$()\\/=,~@#*?éß€漢🙂'),
      fc.constantFrom('%PATH%', '\\"', '/add', '^^', '\u2028'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    );
    const line = (maxLength: number) =>
      fc.array(unit, { maxLength }).map((units) => units.join('').replace(/[\x00-\x1f\x7f]/g, ''));
    const person = fc.record({ name: line(8), fullName: line(12), password: line(24) });
    const people = fc.array(person, { minLength: 40, maxLength: 60 });
    // A command line is expanded, cannot hold other control characters, and ends before white space.
    const words = line(24).map((text) => text.replaceAll('%', '').trim());
    const commands = fc.array(words, { minLength: 8, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(people, commands, async (users, lines) => {
        const { calls, objects } = await start({
          ...NOTHING,
          users: users.map((user) => ({ ...user, name: `u${user.name}`, group: 'users' as const })),
          programs: lines.map((text) => ({ path: PROGRAM, arguments: text })),
        });
        expect(objects.filter(([what]) => what === 'password')).toEqual(
          users.map(({ name, password }) => ['password', `u${name}`, password]),
        );
        const fullNames = users.map(({ name, fullName }) => [`u${name}`, fullName]);
        const saved = objects.filter(([what, , , disabled]) => what === 'save' && disabled === 'false');
        expect(saved.map((words) => words.slice(1, 3))).toEqual(fullNames);
        expect(calls.slice(1)).toEqual(
          lines.map((text) => (text === '' ? `"${PROGRAM}"` : `"${PROGRAM}" ${text}`)),
        );
      }),
      { numRuns: 2, endOnFailure: true },
    );
  });

  it('leaves no secret when its program cannot run', async () => {
    const firstStart: FirstStart = {
      ...NOTHING,
      users: [{ name: 'a', fullName: '', password: 'never seen', group: 'users' }],
    };
    // There is no PowerShell in Wine.
    const eight = { ...SEVEN, release: { major: 6, minor: 2, build: 9200 } };
    const { left, objects, calls } = await start(firstStart, eight);
    expect(left).toEqual([]);
    expect(objects).toEqual([]);
    expect(calls.join()).toContain('setzerodata offset=0 length=');
  });
});
