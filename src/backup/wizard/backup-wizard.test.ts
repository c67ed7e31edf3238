import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import type { BackupRequest, BackupWizard } from '../../preos/role.ts';
import { FakeTerminal, fakeScreens } from '../../preos/testdata/fake-terminal.ts';
import { TtyScreen } from '../../preos/tty-screen.ts';
import { openBackupWizard } from './backup-wizard.ts';
import { fakeParts } from './testdata/fake-parts.ts';
import type { WizardParts } from './wizard-parts.ts';

let folder: string;
let terminal: FakeTerminal;
let screens: TtyScreen;
const { signal } = new AbortController();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-wizard-'));
  terminal = new FakeTerminal('screen');
  const options = { logger: silentLog, programLine: '', runScreens: fakeScreens };
  screens = new TtyScreen({ ...options, terminals: [terminal] });
});
afterEach(async () => {
  await screens[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function open(more: Partial<WizardParts> = {}): Promise<BackupWizard> {
  const parts = fakeParts(folder, more);
  const { listFolder, suggestedPartitions } = parts;
  const common = { params: { name: 'lab 1' }, site: undefined, logger: silentLog, signal, given: {} };
  return openBackupWizard({ ...common, listFolder, suggestedPartitions, parts });
}

async function ask(wizard: BackupWizard, problem = ''): Promise<BackupRequest | 'left'> {
  return (await screens.present(wizard.dialog(problem), { signal })).result;
}

async function throughDisk(): Promise<void> {
  await terminal.waitFor('75.0 GB');
  terminal.press('f8');
  await terminal.waitFor('2 of 4  Destination');
}

describe('the backup wizard', () => {
  it('backs the whole disk up to the console that was found', async () => {
    await using wizard = await open();
    const asked = ask(wizard);
    await terminal.waitFor('75.0 GB');
    for (const text of [
      'sda',
      'ACME Disk 500',
      'EFI system partition',
      'ntfs',
      'Windows',
      '300 GB',
      'sdc (',
    ]) {
      expect(terminal.shown).toContain(text);
    }
    terminal.press('f8');
    await terminal.waitFor('(•) lab-server');
    terminal.press('f8');
    await terminal.waitFor('3 of 4  Image');
    expect(terminal.shown).toContain('The console verifies every block while it arrives.');
    terminal.press('f8');
    await terminal.waitFor('4 of 4  Summary');
    expect(terminal.shown).toContain('sda, the whole disk');
    terminal.press('f2');
    expect(await asked).toMatchObject({
      disk: '/dev/sda',
      partitions: [],
      to: 'console:lab 1',
      console: '192.168.1.10:5001',
      level: 3,
      force: false,
    });
  });

  it('takes the system only, into a folder of an SMB share, after a wrong password', async () => {
    await using wizard = await open();
    const asked = ask(wizard);
    await terminal.waitFor('75.0 GB');
    terminal.press('f5', 'f8');
    await terminal.waitFor('2 of 4  Destination');
    terminal.press('down', 'down', 'space', 'f8');
    expect(terminal.shown).toContain('! give the shared folder as //SERVER/SHARE');
    terminal.press('"//srv/images"', 'down', '"admin"', 'down', '"wrong"', 'f8');
    await terminal.waitFor('! Cannot use "//srv/images": the server refuses the user or the password');
    terminal.press(...Array(5).fill('backspace'), '"right"', 'down', 'down', 'f4');
    await terminal.waitFor('64.0 GB free');
    terminal.press('enter');
    await terminal.waitFor(`${folder}/images`);
    terminal.press('f2');
    await terminal.waitFor('[images');
    terminal.press('f8');
    await terminal.waitFor('3 of 4  Image');
    terminal.press('f8');
    await terminal.waitFor('4 of 4  Summary');
    expect(terminal.shown).toContain('//srv/images, folder images (user admin)');
    expect(terminal.shown).not.toContain('right');
    terminal.press('f2');
    const to = join(folder, 'images/lab 1.sco');
    expect(await asked).toMatchObject({ partitions: [1, 2], to, check: true });
    expect(wizard.inWords(`Cannot store "${to}": full`)).toBe(
      'Cannot store "//srv/images/images/lab 1.sco": full',
    );
  });

  it('refuses a folder without rights, a name that is taken, and fields this version does not apply', async () => {
    await writeFile(join(folder, 'lab 1.sco'), '');
    await using wizard = await open();
    const asked = ask(wizard);
    await throughDisk();
    terminal.press('down', 'space');
    await terminal.waitFor('sdb1');
    terminal.press('down', 'down', 'down', 'down', 'space', 'down', 'down', '"locked"', 'f8');
    await terminal.waitFor('! Nothing can be written to');
    terminal.press(...Array(6).fill('backspace'), 'f8');
    await terminal.waitFor('3 of 4  Image');
    terminal.press('f8');
    await terminal.waitFor('! There is an image "lab 1" already; choose another name');
    terminal.press('"2"', 'down', 'down', '"9"', 'down', '"pw"', 'f8');
    expect(terminal.shown).toContain('! use a whole number from 1 (fast) to 19 (small)');
    expect(terminal.shown).toContain('! not applied by this version; leave it empty');
    terminal.press('backspace', 'down', 'backspace', 'backspace', 'f8');
    await terminal.waitFor('4 of 4  Summary');
    terminal.press('f2');
    expect(await asked).toMatchObject({ to: join(folder, 'lab 12.sco') });
  });

  it('does not take a file system that was not unmounted cleanly, unless it is left out or meant', async () => {
    const cure =
      'Partition 3 (ntfs) was not unmounted cleanly; start Windows, run "chkdsk /f" and shut it down';
    const { contents } = fakeParts(folder);
    await using wizard = await open({
      contents: async (disk) => ({ ...(await contents(disk)), problems: [cure] }),
    });
    const asked = ask(wizard);
    await terminal.waitFor('! Partition 3 (ntfs) was not unmounted cleanly');
    terminal.press('f8');
    await terminal.waitFor('! See the problem above');
    terminal.press('f5', 'f8');
    await terminal.waitFor('2 of 4');
    terminal.press('f7');
    await terminal.waitFor('1 of 4');
    terminal.press('f6', 'f4', 'f8');
    await terminal.waitFor('2 of 4');
    terminal.press('escape');
    await terminal.waitFor('What was entered is lost.');
    terminal.press('y');
    expect(await asked).toBe('left');
  });

  it('shows errors where they belong: a disk that cannot be read, a console that refuses', async () => {
    let isRefusing = true;
    await using wizard = await open({
      contents: async () => {
        throw new TdError('io', 'Cannot read "/dev/sda": input/output error');
      },
    });
    void ask(wizard);
    await terminal.waitFor('! Cannot read "/dev/sda": input/output error');
    terminal.press('f8');
    await terminal.waitFor('! This disk cannot be backed up; choose another one');
    terminal.press('escape');
    await terminal.waitFor('What was entered is lost.');
    terminal.press('y');
    await using second = await open({
      hasImage: async () => {
        if (isRefusing)
          throw new TdError('untrusted', 'The console does not know this medium; export it anew');
        return false;
      },
    });
    void ask(second);
    await throughDisk();
    await terminal.waitFor('lab-server');
    terminal.press('f8');
    await terminal.waitFor('3 of 4');
    terminal.press('f8');
    await terminal.waitFor('! The console does not know this medium; export it anew');
    isRefusing = false;
    terminal.press('f8');
    await terminal.waitFor('4 of 4');
  });

  it('begins again at its end with what failed, and keeps what was entered', async () => {
    await using wizard = await open();
    const first = ask(wizard);
    await throughDisk();
    await terminal.waitFor('lab-server');
    terminal.press('f8');
    await terminal.waitFor('3 of 4');
    terminal.press('"-b"', 'f8');
    await terminal.waitFor('4 of 4');
    terminal.press('f2');
    await first;
    const second = ask(wizard, 'The connection was lost; check the console');
    await terminal.waitFor('! The connection was lost; check the console');
    expect(terminal.shown).toContain('4 of 4');
    expect(terminal.shown).toContain('lab 1-b');
    terminal.press('f7', 'f7', 'f7');
    await terminal.waitFor('75.0 GB');
    terminal.press('f8');
    await terminal.waitFor('2 of 4');
    terminal.press('f8');
    await terminal.waitFor('3 of 4');
    terminal.press('f8');
    await terminal.waitFor('4 of 4');
    terminal.press('f2');
    expect(await second).toMatchObject({ to: 'console:lab 1-b', partitions: [] });
  });
});
