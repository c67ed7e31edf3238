import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { writeFixtureMedia } from '../../media/testdata/media-tree-fixture.ts';
import { registerConsoleCommands } from '../console-commands.ts';
import { TestConsole } from '../testdata/test-console.ts';

let lab: TestConsole;

beforeEach(async () => {
  lab = await TestConsole.start();
});
afterEach(() => lab[Symbol.asyncDispose]());

async function command(...args: string[]): Promise<string> {
  let printed = '';
  const program = new Command().exitOverride();
  registerConsoleCommands(program, {
    ...{ note: () => {}, columns: undefined, defaultDataDir: lab.dir },
    out: (text) => {
      printed += text;
    },
    signal: new AbortController().signal,
  });
  await program.parseAsync(['node', 'totaldeploy', ...args]);
  return printed;
}

async function failure(...args: string[]): Promise<string> {
  const error = await command(...args).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(TdError);
  expect((error as TdError).message).not.toContain('\n');
  return `${(error as TdError).code}: ${(error as TdError).message}`;
}

describe('storage', () => {
  it('adds a folder, lists it, makes it the default and removes it', async () => {
    const folder = join(lab.dir, 'more images');
    await mkdir(folder);
    expect(await command('storage', 'add', folder)).toMatch(/^more-images +folder +\S.*more images/m);
    await command('storage', 'default', 'more-images');
    const places = JSON.parse(await command('storage', '--json'));
    expect(places.map((one: { isDefault: boolean }) => one.isDefault)).toEqual([false, true]);
    expect(await command('storage', 'remove', 'more-images')).not.toContain('more-images');
  });

  it('says in one line what is wrong', async () => {
    expect(await failure('storage', 'rename', 'x')).toMatch(/^usage: .*add SOURCE/);
    expect(await failure('storage', 'add', '/no/such')).toMatch(/^not-found: .*no such folder/);
    expect(await failure('storage', 'remove', 'images')).toMatch(/^refused: .*own folder/);
    expect(await failure('storage', 'add', '//-x/y')).toMatch(/^usage: .*SERVER\/SHARE/);
    const file = join(lab.dir, 'no-such-file');
    expect(await failure('storage', 'add', '//nas/x', '--user', 'a', '--password-file', file)).toMatch(
      /^usage: .*password/,
    );
  });
});

describe('settings', () => {
  it('shows and changes them; secrets come from files and are never shown', async () => {
    const templates = join(lab.dir, 'other');
    await mkdir(templates);
    await writeFile(join(lab.dir, 'pin'), '4711\n');
    const shown = await command('settings', '--templates', templates, '--pin-file', join(lab.dir, 'pin'));
    expect(shown).toMatch(/Templates +.*other\n/);
    expect(shown).toMatch(/PIN at targets +set\n/);
    const all = JSON.parse(await command('settings', '--json'));
    expect(all).toMatchObject({ templatesDir: templates, pinSet: true, customPin: '' });
    expect(await failure('settings', '--templates', '/no/such')).toMatch(/^usage: .*does not exist/);
    expect(await failure('settings', '--address', 'dhcp')).toMatch(/^refused: /);
  });
});

describe('export', () => {
  it('makes media by command and by call with one core', async () => {
    const media = join(lab.dir, 'media');
    await writeFixtureMedia(media);
    const byCommand = join(lab.dir, 'one');
    const done = await command('export', 'pxe', byCommand, '--media', media, '--mode', 'backup', '--json');
    expect(JSON.parse(done)).toMatchObject({
      path: byCommand,
      certificateSha256: lab.identity.certificateSha256,
    });
    expect(JSON.parse(done).sizeBytes).toBeGreaterThan(400_000);
    expect(await readFile(join(byCommand, 'boot/grub/settings.cfg'), 'utf8')).toContain(
      "td_default='backup'",
    );
    await expect(lab.rpc.call('export', { kind: 'pxe', dest: 'here' })).rejects.toThrow(/begins with \//);
    await expect(lab.rpc.call('export', { kind: 'floppy', dest: '/x' })).rejects.toMatchObject({
      code: 'usage',
    });
    await expect(
      lab.rpc.call('export', { kind: 'agent-iso', dest: '/dev/sda', confirmBytes: 1 }),
    ).rejects.toThrow(/only a stick is written to a device/);
    await expect(
      lab.rpc.call('export', { kind: 'usb', dest: '/dev/no-such-disk', confirmBytes: 1 }),
    ).rejects.toMatchObject({ code: 'refused' });
  });

  it('asks for a stick, and writes nothing without an answer', async () => {
    expect(await failure('export', 'usb', '/dev/no-such-disk')).toMatch(/^usage: .*--confirm-size/);
    expect(await failure('export', 'usb', '/dev/no-such-disk', '--confirm-size', '8GB')).toMatch(
      /digits only/,
    );
    expect(await failure('export', 'usb', '/dev/no-such-disk', '--confirm-size', '8')).toMatch(
      /not a USB stick/,
    );
    await expect(stat('/dev/no-such-disk')).rejects.toThrow(/ENOENT/);
  });
});

describe('the log', () => {
  it('is saved as lines to a new file only', async () => {
    const path = join(lab.dir, 'log.txt');
    expect(await lab.rpc.call('log.save', { path })).toEqual({ lines: 1 });
    expect(await readFile(path, 'utf8')).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}- {2}console "test console"/,
    );
    await expect(lab.rpc.call('log.save', { path })).rejects.toThrow(/there already/);
    await expect(lab.rpc.call('log.save', { path: 'x' })).rejects.toThrow(/begins with \//);
  });
});
