import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import { writeFixtureMedia } from '../media/testdata/media-tree-fixture.ts';
import { DeployProgress } from './commands/deploy-progress.ts';
import { textTable } from './commands/text-table.ts';
import { registerConsoleCommands } from './console-commands.ts';
import { consolePaths } from './console-paths.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { type RpcMethods, startRpcServer } from './rpc-server.ts';
import { TestConsole, until } from './testdata/test-console.ts';

interface Run {
  out(): string;
  notes(): string;
  stop: AbortController;
  ended: Promise<unknown>;
}

/** Runs a command as a person would; `ended` gives the error it ended with, or undefined. */
function totaldeploy(dataDir: string, ...args: string[]): Run {
  let out = '';
  let notes = '';
  const stop = new AbortController();
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  registerConsoleCommands(program, {
    out: (text) => {
      out += text;
    },
    note: (text) => {
      notes += text;
    },
    columns: undefined,
    signal: stop.signal,
    defaultDataDir: dataDir,
  });
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  const ended = program.parseAsync(args, { from: 'user' }).then(
    () => undefined,
    (error) => error,
  );
  return { out: () => out, notes: () => notes, stop, ended };
}

describe('the commands of a console', () => {
  it('list computers and images for people and for machines', async () => {
    await using lab = await TestConsole.start();
    const empty = totaldeploy(lab.dir, 'computers');
    await empty.ended;
    expect(empty.out()).toContain('No computer is connected');
    const computer = await lab.computer(1);
    await lab.addImage('office');
    await writeFile(join(lab.status.imagesDir, 'broken.sco'), 'no image');
    await until(async () => ((await lab.rpc.call('computers')) as unknown[]).length === 1, 'the computer');
    const words = totaldeploy(lab.dir, 'computers');
    await words.ended;
    expect(words.out()).toMatch(
      /02:00:00:00:00:01 +127\.0\.0\.1 +agent +Test Test machine +sda 8\.6 GB +uefi +waiting/,
    );
    const json = totaldeploy(lab.dir, 'computers', '--json');
    await json.ended;
    expect(JSON.parse(json.out())).toMatchObject([{ name: '02:00:00:00:00:01' }]);
    const images = totaldeploy(lab.dir, 'images');
    await images.ended;
    expect(images.out()).toMatch(/broken .*no TotalDeploy image[\s\S]*office/);
    expect(await lab.rpc.call('computers.known')).toEqual([]);
    computer.client.close();
    await until(async () => ((await lab.rpc.call('computers')) as unknown[]).length === 0, 'its end');
    const known = totaldeploy(lab.dir, 'computers', '--known');
    await known.ended;
    expect(known.out()).toMatch(/02:00:00:00:00:01 +02:00:00:00:00:01 +Test Test machine +agent +20\d\d-/);
  });

  it('deploy and show a table; the log tells the same later, without a console', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-commands-'));
    try {
      let jobId = '';
      {
        await using lab = await TestConsole.start({ dataDir: dir });
        await lab.addImage('office');
        const [a, b] = [await lab.computer(1), await lab.computer(2)];
        const run = totaldeploy(dir, 'deploy', '--image', 'office', '--after', 'wait', '--rate', '100');
        const [first, second] = await Promise.all([a.accept(), b.accept()]);
        expect(lab.multicast.sessions[0]?.options.rateBytesPerSecond).toBe(12_500_000);
        jobId = first.jobId;
        a.report(first);
        b.report(second, { ok: false, error: 'Cannot write to "/dev/sda": device is gone', root: '' });
        expect(await run.ended).toMatchObject({ code: 'partial' });
        expect(run.out()).toContain('partial, 1 of 2 computers done');
        expect(run.out()).toMatch(/02:00:00:00:00:01 +done +1\.0 kB/);
        expect(run.out()).toMatch(/02:00:00:00:00:02 +failed .*device is gone/);
        expect(run.notes()).toContain('office');
      }
      const log = totaldeploy(dir, 'log', '--job', jobId);
      await log.ended;
      expect(log.out()).toMatch(/ERROR: 02:00:00:00:00:02 failed: .*device is gone/);
      const json = totaldeploy(dir, 'log', '--json', '--lines', '3');
      await json.ended;
      expect(JSON.parse(json.out())).toHaveLength(3);
      const images = totaldeploy(dir, 'images', '--json');
      await images.ended;
      expect(JSON.parse(images.out())).toMatchObject([{ name: 'office', problem: '' }]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('cancel a deployment with Ctrl-C', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const run = totaldeploy(lab.dir, 'deploy', '--image', 'office');
    await a.accept();
    run.stop.abort();
    expect(await run.ended).toMatchObject({ code: 'cancelled' });
    await a.order('cancel');
  });

  it('say that a job goes on when its console went away and is started again', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-commands-'));
    const watched = Promise.withResolvers<void>();
    const methods: RpcMethods = {
      deploy: async () => ({ jobId: 'job-1' }),
      watch: () => {
        watched.resolve();
        return new Promise(() => {});
      },
    };
    const server = await startRpcServer(consolePaths(dir).socket, { methods, logger: silentLog });
    try {
      const run = totaldeploy(dir, 'deploy', '--image', 'office');
      await watched.promise;
      await server[Symbol.asyncDispose]();
      expect(await run.ended).toMatchObject({
        code: 'network',
        message: expect.stringMatching(/during job job-1: .*start it again and the job goes on/),
      });
    } finally {
      await server[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('fail with what the console says, and say when there is none', async () => {
    await using lab = await TestConsole.start();
    const failed = await totaldeploy(lab.dir, 'deploy', '--image', 'nothing').ended;
    expect(failed).toMatchObject({ message: expect.stringContaining('Cannot find image "nothing"') });
    const nobody = join(lab.dir, 'elsewhere');
    for (const args of [['computers'], ['deploy', '--image', 'office'], ['log']]) {
      expect(await totaldeploy(nobody, ...args).ended).toMatchObject({ code: 'not-found' });
    }
  });

  it('refuse wrong use before anything happens', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    for (const args of [
      ['deploy'],
      ['deploy', '--image', 'office', '--after', 'explode'],
      ['deploy', '--image', 'office', '--wait-for', '-1'],
      ['deploy', '--image', 'office', '--targets', 'a,,b'],
    ]) {
      expect(await totaldeploy(lab.dir, ...args).ended, args.join(' ')).toHaveProperty('exitCode');
    }
    for (const args of [
      ['deploy', '--image', '../office'],
      ['deploy', '--image', 'office', '--wait-for', '1.5'],
      ['export', 'floppy', join(lab.dir, 'x')],
      ['export', 'pxe', join(lab.dir, 'x'), '--console', 'a b', '--media', lab.dir],
      ['export', 'pxe', join(lab.dir, 'x'), '--mode', 'deploy', '--media', lab.dir],
      ['console', '--ports', 'control=x'],
    ]) {
      expect(await totaldeploy(lab.dir, ...args).ended, args.join(' ')).toMatchObject({ code: 'usage' });
    }
    expect((await lab.rpc.call('jobs')) as unknown[]).toEqual([]);
  });

  it('export a boot menu that starts what --mode says', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-export-'));
    try {
      const media = join(dir, 'media');
      await writeFixtureMedia(media);
      const run = totaldeploy(dir, 'export', 'pxe', join(dir, 'out'), '--media', media, '--mode', 'backup');
      expect(await run.ended).toBeUndefined();
      const settings = await readFile(join(dir, 'out/boot/grub/settings.cfg'), 'utf8');
      expect(settings).toContain("set td_default='backup'\n");
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('export with the identity of the console, made before its first start if need be', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-export-'));
    try {
      const run = totaldeploy(dir, 'export', 'pxe', join(dir, 'out'), '--media', join(dir, 'none'));
      expect(await run.ended).toBeInstanceOf(Error);
      const siteKey = await readFile(join(dir, 'identity/site.key'), 'utf8');
      await using lab = await TestConsole.start({ dataDir: dir });
      expect(lab.identity.siteKey.toString('hex')).toBe(siteKey.trim());
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe('live progress', () => {
  const target = (name: string, state: string, doneBytes = 0): DeploySnapshot['targets'][number] => ({
    ...{
      computerId: name,
      name,
      address: '',
      state,
      detail: '',
      reason: state === 'failed' ? 'disk is gone' : '',
    },
    ...{ disk: 'sda', doneBytes, totalBytes: 1000, bytesPerSecond: 100, report: null },
    ...{ slow: '', leftSeconds: null },
  });
  const snapshot = (targets: DeploySnapshot['targets']): DeploySnapshot => ({
    ...{ id: 'j', kind: 'deploy', image: 'office', state: 'running', error: '', connected: 0, wanted: 0 },
    ...{ targets, bytesPerSecond: 1_000_000, sessions: [], template: '', retryOf: '', settings: [] },
    ...{ startedAt: '2026-01-31T14:25:30.000Z', leftSeconds: null, notApplied: [] },
  });

  it('draws over itself on a terminal, trouble first, within its width', () => {
    const written: string[] = [];
    const progress = new DeployProgress({ note: (text) => written.push(text), columns: 60 });
    progress.show(snapshot([target('a', 'receiving', 500), target('b', 'failed')]));
    progress.show(snapshot([target('a', 'done'), target('b', 'failed')]));
    const lines = written[0]!.split('\n');
    expect(lines[1]).toContain('b  failed: disk is gone');
    expect(lines[2]).toContain('[##########..........] 50 %');
    for (const line of lines) expect(line.replace('\x1b[2K', '').length).toBeLessThan(60);
    expect(written[1]!.startsWith('\x1b[3A')).toBe(true);
  });

  it('writes a line for each change elsewhere', () => {
    const written: string[] = [];
    const progress = new DeployProgress({ note: (text) => written.push(text), columns: undefined });
    for (const done of [100, 200, 300]) progress.show(snapshot([target('a', 'receiving', done)]));
    progress.show(snapshot([target('a', 'done')]));
    expect(written).toHaveLength(3);
    expect(written.join('')).not.toContain('\x1b');
  });
});

describe('tables', () => {
  it('line up their columns', () => {
    expect(textTable(['A', 'LONG'], [['xxx', 'y']])).toBe('A    LONG\nxxx  y\n');
  });
});
