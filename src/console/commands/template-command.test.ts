import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { registerConsoleCommands } from '../console-commands.ts';
import { TestConsole, until } from '../testdata/test-console.ts';

interface Result {
  out: string;
  notes: string;
  /** What it ended with; undefined when all went well. */
  error: { code?: string; message: string; exitCode?: number } | undefined;
}

/** Runs a command as a person would. */
async function totaldeploy(dataDir: string, ...args: string[]): Promise<Result> {
  const result: Result = { out: '', notes: '', error: undefined };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  registerConsoleCommands(program, {
    out: (text) => {
      result.out += text;
    },
    note: (text) => {
      result.notes += text;
    },
    columns: undefined,
    signal: new AbortController().signal,
    defaultDataDir: dataDir,
  });
  await program.parseAsync(args, { from: 'user' }).catch((error) => {
    result.error = error;
  });
  return result;
}

const LAB = {
  ...{ version: 1, name: 'lab', image: 'office', comment: 'Room 12', after: 'wait' },
  users: [{ name: 'admin', password: 'very secret' }],
  freeSpace: 'grow-last',
  computerNames: { kind: 'table' },
  table: [{ mac: '02:00:00:00:00:01', name: 'SEAT-1' }],
};

async function importFile(lab: TestConsole, value: unknown, ...flags: string[]): Promise<Result> {
  const file = join(lab.dir, 'import.json');
  await writeFile(file, typeof value === 'string' ? value : JSON.stringify(value));
  return totaldeploy(lab.dir, 'template', 'import', file, ...flags);
}

describe('the template commands', () => {
  it('import, list, show and delete; the file has no password in the clear', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    expect((await totaldeploy(lab.dir, 'template', 'list')).out).toContain('No templates');
    const path = join(lab.dir, 'templates/lab.json');
    expect(await importFile(lab, LAB)).toMatchObject({ out: `Saved as "${path}"\n`, error: undefined });
    expect(await readFile(path, 'utf8')).not.toContain('very secret');
    expect((await importFile(lab, LAB)).error).toMatchObject({ code: 'refused' });
    expect((await importFile(lab, LAB, '--replace')).error).toBeUndefined();
    const broken = await importFile(lab, '{\n"version": 1,}');
    expect(broken.error?.message).toMatch(/is no JSON: .* line 2, column 14/);
    expect((await importFile(lab, { ...LAB, name: 'b', after: 1 })).error?.message).toBe(
      'Cannot save the template: after: use shutdown, restart, wait',
    );
    expect((await totaldeploy(lab.dir, 'template', 'list')).out).toMatch(/lab +office +20.* no +Room 12\n/);
    const shown = await totaldeploy(lab.dir, 'template', 'show', 'lab');
    expect(shown.out).toMatch(/Master image +office .*\n/);
    expect(shown.out).toContain('Not applied by this version: the free space of the target disk');
    expect(shown.out).not.toContain('very secret');
    expect(shown.out).toContain('Warning: No computer is connected and free\n');
    const json = JSON.parse((await totaldeploy(lab.dir, 'template', 'show', 'lab', '--json')).out);
    expect(json.users[0].password.console).toBe(lab.status.certificateSha256);
    expect((await totaldeploy(lab.dir, 'template', 'delete', 'LAB')).error).toBeUndefined();
    for (const command of ['show', 'delete']) {
      const { error } = await totaldeploy(lab.dir, 'template', command, 'lab');
      expect(error).toMatchObject({ code: 'not-found' });
    }
  });

  it('put a CSV table into a template and show what one computer would be called', async () => {
    await using lab = await TestConsole.start();
    await importFile(lab, LAB);
    const csv = join(lab.dir, 'seats.csv');
    await writeFile(
      csv,
      '\uFEFFName;MAC;Address\r\nDESK-1;02-00-00-00-00-01;10.0.0.1\r\nDESK-2;020000000002;\r\n',
    );
    expect((await totaldeploy(lab.dir, 'template', 'table', 'lab', csv)).out).toContain('2 computers');
    const show = (mac: string) => totaldeploy(lab.dir, 'template', 'show', 'lab', '--for', mac, '--json');
    expect(JSON.parse((await show('02:00:00:00:00:02')).out)).toMatchObject({ name: 'DESK-2' });
    expect(JSON.parse((await show('02-00-00-00-00-09')).out)).toEqual({
      ...{ label: '02:00:00:00:00:09', changes: [] },
    });
    expect((await show('nonsense')).error).toMatchObject({ code: 'usage' });
    await writeFile(csv, 'mac,name\nxx,DESK-1\n');
    expect((await totaldeploy(lab.dir, 'template', 'table', 'lab', csv)).error?.message).toContain(
      'line 2: "xx" is no MAC address',
    );
    await writeFile(csv, Buffer.from('mac,name\n02-00-00-00-00-01,Zo\xeb\n', 'latin1'));
    expect((await totaldeploy(lab.dir, 'template', 'table', 'lab', csv)).error?.message).toContain('UTF-8');
    expect((await totaldeploy(lab.dir, 'template', 'table', 'lab', lab.dir)).error).toMatchObject({
      code: 'io',
    });
    // The table before is still there.
    expect(JSON.parse((await show('02:00:00:00:00:01')).out)).toMatchObject({ name: 'DESK-1' });
  });

  it('work in the folder that is set', async () => {
    await using lab = await TestConsole.start();
    const dir = join(lab.dir, 'mine');
    expect((await totaldeploy(lab.dir, 'template', 'path', dir)).error?.message).toContain('does not exist');
    await mkdir(dir);
    expect((await totaldeploy(lab.dir, 'template', 'path', dir)).out).toBe(`${dir}\n`);
    expect((await totaldeploy(lab.dir, 'template', 'path')).out).toBe(`${dir}\n`);
    expect((await importFile(lab, LAB)).out).toContain(join(dir, 'lab.json'));
  });

  it('validate files without a console and print every problem with its path', async () => {
    await using lab = await TestConsole.start();
    const good = join(lab.dir, 'good.json');
    const bad = join(lab.dir, 'bad.json');
    await writeFile(good, JSON.stringify(LAB));
    const foreign = { sealed: 'AAAA', console: 'a'.repeat(64) };
    await writeFile(bad, JSON.stringify({ ...LAB, image: 1, run: { waitFor: -1 }, imagePassword: foreign }));
    const nobody = join(lab.dir, 'nobody');
    expect(await totaldeploy(nobody, 'template', 'validate', good)).toMatchObject({
      out: `${good}: good\n`,
      error: undefined,
    });
    const both = await totaldeploy(nobody, 'template', 'validate', good, bad, '/nowhere.json');
    expect(both.out).toContain(
      `${bad}: 2 problems\n  image: must be a text\n  run.waitFor: must be at least 0\n`,
    );
    expect(both.error).toMatchObject({ code: 'invalid' });
    await writeFile(bad, JSON.stringify({ ...LAB, imagePassword: foreign }));
    const { out } = await totaldeploy(lab.dir, 'template', 'validate', '--json', bad);
    expect(JSON.parse(out)).toEqual([
      { file: bad, problems: [{ path: 'imagePassword', message: expect.stringContaining('type it again') }] },
    ]);
    const schema = JSON.parse((await totaldeploy(nobody, 'template', 'schema')).out);
    expect(schema.required).toEqual(['version', 'name', 'image']);
  });
});

describe('deploy --template', () => {
  it('takes the password for the domain from a file, and asks nobody without a terminal', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const membership = { kind: 'domain', name: 'lab.example.org', user: 'joiner' };
    await importFile(lab, { ...LAB, membership });
    const a = await lab.computer(1);
    const args = ['deploy', '--template', 'lab', '--after', 'wait'];
    expect((await totaldeploy(lab.dir, ...args)).error).toMatchObject({
      ...{ code: 'usage', message: expect.stringContaining('Password of joiner for lab.example.org') },
    });
    const file = join(lab.dir, 'password');
    await writeFile(file, 'Hush-Secret-3\n');
    const running = totaldeploy(lab.dir, ...args, '--password-file', file);
    const deployment = await a.accept();
    const path = `${deployment.customisation!.path}/customisation`;
    const bytes = await a.service().getBuffer(path);
    expect(JSON.parse(bytes.toString()).membership.password).toBe('Hush-Secret-3');
    a.report(deployment);
    const { error, out, notes } = await running;
    expect(error).toBeUndefined();
    expect(out + notes).not.toContain('Hush-Secret');
  });

  it('runs by the template, says first what is not applied, and takes options before it', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    await importFile(lab, LAB);
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    await until(async () => ((await lab.rpc.call('computers')) as unknown[]).length === 2, 'both computers');
    const mac = '02:00:00:00:00:01';
    const running = totaldeploy(
      lab.dir,
      'deploy',
      '--template',
      'lab',
      '--targets',
      mac,
      '--after',
      'restart',
    );
    const deployment = await a.accept();
    expect(deployment).toMatchObject({ after: 'restart', image: { name: 'office' } });
    a.report(deployment);
    const { error, notes, out } = await running;
    expect(error).toBeUndefined();
    expect(notes).toMatch(/^Not applied by this version: the free space of the target disk/);
    expect(out).toContain('1 of 1 computer done');
    expect(b.orders).toEqual([]);
  });

  it('starts nothing with a template that cannot be kept to', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const network = { kind: 'static', first: '10.0.0.1', last: '10.0.0.3', prefixLength: 24 };
    await importFile(lab, { ...LAB, network });
    const deploy = (...args: string[]) => totaldeploy(lab.dir, 'deploy', '--template', ...args);
    expect((await deploy('lab', '--wait-for', '4')).error).toMatchObject({
      code: 'refused',
      message:
        'Cannot deploy template "lab": 10.0.0.1 to 10.0.0.3 are 3 addresses for 4 computers; widen the range',
    });
    await importFile(lab, { ...LAB, name: 'one', partitions: [1], targetPartition: 1 });
    expect((await deploy('one')).error?.message).toContain('would clear the disk');
    await importFile(lab, { ...LAB, name: 'none', image: 'nothing' });
    expect((await deploy('none')).error).toMatchObject({ code: 'not-found' });
    await writeFile(join(lab.dir, 'templates/wrong.json'), '{"version": 1}');
    expect((await deploy('wrong')).error?.message).toBe(
      'Cannot use template "wrong": name: is missing; image: is missing',
    );
    expect((await deploy('../lab')).error).toMatchObject({ code: 'not-found' });
    for (const args of [
      ['lab', '--image', 'office'],
      ['lab', '--disk', 'sda'],
    ]) {
      expect((await deploy(...args)).error).toMatchObject({ exitCode: 1 });
    }
    expect(await lab.rpc.call('jobs')).toEqual([]);
  });
});
