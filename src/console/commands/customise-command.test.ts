import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTree, UBUNTU } from '../../customise/linux/testdata/linux-trees.ts';
import { makePhonyWindows } from '../../customise/windows/testdata/phony-windows.ts';
import { registerConsoleCommands } from '../console-commands.ts';

let dir: string;
let root: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-customise-'));
  root = join(dir, 'root');
  await mkdir(root);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const MAC = '52:54:00:12:34:56';
const TEMPLATE = {
  ...{ version: 1, name: 'lab', image: 'office' },
  computerNames: { kind: 'pattern', pattern: 'PC-{mac}' },
  network: { kind: 'dhcp', dnsServers: ['10.0.0.2'] },
};

interface Result {
  out: string;
  error: { code?: string; message: string; exitCode?: number } | undefined;
}

async function customise(template: object, ...args: string[]): Promise<Result> {
  const file = join(dir, 'lab.json');
  await writeFile(file, JSON.stringify(template));
  const result: Result = { out: '', error: undefined };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  registerConsoleCommands(program, {
    out: (text) => {
      result.out += text;
    },
    note: () => {},
    columns: undefined,
    signal: new AbortController().signal,
    defaultDataDir: dir,
  });
  const all = ['customise', '--root', root, '--template', file, '--for', MAC, ...args];
  await program.parseAsync(all, { from: 'user' }).catch((error) => {
    result.error = error;
  });
  return result;
}

async function contents(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[path] = await readFile(path, 'latin1');
  }
  return found;
}

describe('totaldeploy customise', () => {
  it('says what it would change, and changes nothing of it', async () => {
    await makeTree(root, UBUNTU);
    const before = await contents();
    const { out, error } = await customise(TEMPLATE, '--dry-run');
    expect(error).toBeUndefined();
    expect(out).toMatch(/^Ubuntu 24\.04 LTS in root would be changed:\n/);
    expect(out).toContain('PC-123456');
    expect(await contents()).toEqual(before);
    const { plan } = JSON.parse((await customise(TEMPLATE, '--dry-run', '--json')).out);
    for (const text of plan) expect(out).toContain(text);
  });

  it('changes a Linux, with a file of this computer, and says what failed', async () => {
    await makeTree(root, UBUNTU);
    const file = join(dir, 'welcome.txt');
    await writeFile(file, 'welcome');
    const files = [{ source: file, destination: '/opt/lab' }];
    const { out, error } = await customise({ ...TEMPLATE, files }, '--json');
    const { system, edits } = JSON.parse(out);
    expect(system).toBe('Ubuntu 24.04 LTS');
    expect(edits.some((edit: { result: string }) => edit.result === 'done')).toBe(true);
    expect((await readFile(join(root, 'etc/hostname'), 'utf8')).trim()).toBe('PC-123456');
    expect(await readFile(join(root, 'opt/lab/welcome.txt'), 'utf8')).toBe('welcome');
    const failed = edits.filter((edit: { result: string }) => edit.result === 'failed').length;
    expect(error?.code).toBe(failed > 0 ? 'partial' : undefined);
  });

  it('changes a Windows but its SID, for which the volume must not be mounted', async () => {
    await makePhonyWindows(root, { release: '10' });
    const { out, error } = await customise(TEMPLATE);
    expect(error).toBeUndefined();
    expect(out).toMatch(/^done {4}.*PC-123456/m);
    expect(out).toMatch(/^done {4}Write the changed registry$/m);
    expect(out).toMatch(/^skipped Give the computer a new SID \(permissions can only be changed/m);
    expect(Object.keys(await contents()).filter((path) => path.includes('td-bak'))).toEqual([]);
  });

  it('ends with what is wrong before anything is changed', async () => {
    expect((await customise(TEMPLATE)).error).toMatchObject({
      ...{ code: 'not-found', message: expect.stringContaining('no Windows or Linux') },
    });
    await makeTree(root, UBUNTU);
    const before = await contents();
    const files = [{ source: join(dir, 'gone') }];
    expect((await customise({ ...TEMPLATE, files })).error?.message).toContain('gone": it is not there');
    expect((await customise({ ...TEMPLATE, version: 7 })).error).toMatchObject({ code: 'invalid' });
    const sealed = { sealed: 'AAAA', console: 'a'.repeat(64) };
    const users = [{ name: 'anna', password: sealed }];
    expect((await customise({ ...TEMPLATE, users })).error).toMatchObject({ code: 'untrusted' });
    const membership = { kind: 'domain', name: 'lab.example.org', user: 'joiner' };
    expect((await customise({ ...TEMPLATE, membership })).error?.message).toContain('--password-file');
    expect((await customise(TEMPLATE, '--for', 'x')).error).toMatchObject({ code: 'usage' });
    expect((await customise(TEMPLATE, '--root', join(dir, 'lab.json'))).error).toMatchObject({
      code: 'usage',
    });
    expect(await contents()).toEqual(before);
  });
});
