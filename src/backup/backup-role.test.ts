import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ControlConnection } from '../control/control-connection.ts';
import { startControlServer } from '../control/control-server.ts';
import { createIdentity, type Identity } from '../control/identity.ts';
import { startImageService } from '../control/image-service.ts';
import type { AgentMessage } from '../control/messages.ts';
import { ServiceTokens } from '../control/service-tokens.ts';
import { testMachine } from '../control/testdata/test-machine.ts';
import { encodeMbr } from '../disk/testdata/made-disks.ts';
import { MemoryDevice } from '../disk/testdata/memory-device.ts';
import { openImage } from '../image/image-reader.ts';
import { restoreImage } from '../image/restore.ts';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import { superviseRole } from '../preos/role-supervisor.ts';
import { registerBackupCommand } from './backup-command.ts';
import { parsePartitions } from './backup-command-run.ts';
import { runBackup } from './backup-role.ts';
import { parseDestination } from './destination.ts';

const MIB = 1024 * 1024;
let folder = '';
let disk = '';
let milestones: string[] = [];
let problems: readonly string[] = [];
const screen: Screen = {
  milestone: (text) => void milestones.push(text),
  show: (view) => {
    problems = view.problems;
  },
};

beforeEach(async () => {
  milestones = [];
  problems = [];
  folder = await mkdtemp(join(tmpdir(), 'td-backup-'));
  disk = join(folder, 'disk');
  const bytes = Buffer.alloc(24 * MIB);
  encodeMbr([{ type: 0x83, firstSector: 2048, sectorCount: (20 * MIB) / 512 }]).copy(bytes);
  // Content that does not compress, so that it cannot all hide in a buffer on the way.
  for (let at = MIB; at < 18 * MIB; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  await writeFile(disk, bytes);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const machine = testMachine(7);
const common = () => ({ disk, machine, disks: [], screen, logger: silentLog });

describe('runBackup to a path', () => {
  it('stores an image that restores to the same bytes', async () => {
    const path = join(folder, 'lab pc.sco');
    const result = await runBackup({ ...common(), to: path, comment: 'first' });
    expect(result).toMatchObject({ name: 'lab pc', where: path, usedBytes: 21 * MIB, flaws: [] });
    await using reader = await openImage(path);
    expect(reader.manifest).toMatchObject({
      name: 'lab pc',
      comment: 'first',
      source: { serial: 'SN7', firmware: 'uefi' },
    });
    expect(reader.root.toString('hex')).toBe(result.root);
    const target = new MemoryDevice(Buffer.alloc(24 * MIB));
    await restoreImage(reader, target);
    expect(target.bytes.equals(await readFile(disk))).toBe(true);
    expect(milestones.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'TOTALDEPLOY state mapping',
      'TOTALDEPLOY state capturing',
      'TOTALDEPLOY state finishing',
      'TOTALDEPLOY done image',
    ]);
    expect(problems).toEqual(['Partition 1 is captured whole: its filesystem is not known']);
    expect(await readdir(folder)).toEqual(['disk', 'lab pc.sco']);
  });

  it('never replaces an image that is there, and the Pre-OS tells so once', async () => {
    const path = join(folder, 'a.sco');
    await writeFile(path, 'precious');
    const work = async () => void (await runBackup({ ...common(), to: path }));
    const end = await superviseRole(work, {
      title: 'Backup agent',
      screen,
      logger: silentLog,
      signal: new AbortController().signal,
    });
    expect(end).toMatchObject({ kind: 'failed' });
    expect(await readFile(path, 'utf8')).toBe('precious');
    const failures = milestones.filter((line) => line.includes('failed:'));
    expect(failures).toEqual([expect.stringMatching(/^failed: Cannot write ".*a.sco": the file exists/)]);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const stop = new AbortController();
    const backup = runBackup({
      ...common(),
      to: join(folder, 'b.sco'),
      signal: stop.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 3 * MIB) stop.abort();
      },
    });
    await expect(backup).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readdir(folder)).toEqual(['disk']);
    expect(problems.at(-1)).toBe('The capture was cancelled');
  });

  it.each([
    [
      'a folder that is missing',
      () => join(folder, 'none', 'c.sco'),
      'not-found',
      'the folder does not exist',
    ],
    ['a scheme of another version', () => 'smb://server/share/c.sco', 'usage', 'smb: is not in this version'],
    ['ssh', () => 'ssh://host/c.sco', 'usage', 'ssh: is not in this version'],
    ['a name nobody can use', () => 'console:../../etc/passwd', 'usage', 'cannot be used'],
    ['no name', () => 'console:', 'usage', 'cannot be used'],
    ['a folder', () => `${folder}/`, 'usage', 'it names no file'],
  ])('refuses %s', async (_title, to, code, message) => {
    const backup = runBackup({ ...common(), to: to() });
    await expect(backup).rejects.toMatchObject({ code });
    await expect(backup).rejects.toThrow(message);
    expect(problems.at(-1)).toContain(message);
    expect(problems.at(-1)).not.toContain('\n');
  });

  it('refuses to store an image of a disk over that disk', async () => {
    const sco = join(folder, 'self.sco');
    await writeFile(sco, await readFile(disk));
    await expect(runBackup({ ...common(), disk: sco, to: sco })).rejects.toThrow('it lies on');
  });

  it.each([
    ['a disk that is not there', 'sdq', 'No disk matches "sdq"'],
    ['a rule nobody knows', 'colour=red', 'is not understood'],
  ])('refuses %s', async (_title, rule, message) => {
    const backup = runBackup({ ...common(), disks: machine.disks, disk: rule, to: join(folder, 'd.sco') });
    await expect(backup).rejects.toThrow(message);
  });

  it('stops when the disk ends too early', async () => {
    const backup = runBackup({
      ...common(),
      to: join(folder, 'e.sco'),
      onProgress: ({ doneBytes }) => {
        if (doneBytes === MIB) void truncate(disk, 5 * MIB);
      },
    });
    await expect(backup).rejects.toThrow(/Cannot read ".*disk" at \d+: it ended there/);
    expect(await readdir(folder)).toEqual(['disk']);
  });
});

describe('totaldeploy backup', () => {
  it('prints the result as JSON, and warnings beside it', async () => {
    let out = '';
    let err = '';
    const program = new Command();
    registerBackupCommand(program, {
      openLogger: async () => silentLog,
      signal: new AbortController().signal,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      isTerminal: false,
    });
    const path = join(folder, 'f.sco');
    await program.parseAsync(['backup', '--disk', disk, '--to', path, '--level', '1', '--json'], {
      from: 'user',
    });
    expect(JSON.parse(out)).toMatchObject({ where: path, name: 'f', usedBytes: 21 * MIB });
    expect(err).toBe('warning: Partition 1 is captured whole: its filesystem is not known\n');
    await expect(
      program.parseAsync(['backup', '--to', path, '--level', '77'], { from: 'user' }),
    ).rejects.toThrow('Cannot use compression level "77"');
  });

  it('reads partition lists', () => {
    expect(parsePartitions('all')).toEqual([]);
    expect(parsePartitions('3,1-2, 2')).toEqual([1, 2, 3]);
    for (const wrong of ['', '0', '2-1', '1-999', 'x', '1,,2'])
      expect(() => parsePartitions(wrong)).toThrow(TdError);
  });

  it('reads destinations', () => {
    expect(parseDestination('console:lab 1')).toEqual({ kind: 'console', name: 'lab 1' });
    expect(parseDestination('/mnt/x/a')).toEqual({ kind: 'file', path: '/mnt/x/a.sco', name: 'a' });
  });
});

describe('runBackup to a console', () => {
  let identityFolder = '';
  let identity: Identity;
  const cleanups: (() => unknown)[] = [];
  beforeAll(async () => {
    identityFolder = await mkdtemp(join(tmpdir(), 'td-backup-identity-'));
    identity = await createIdentity(join(identityFolder, 'identity'));
  });
  afterAll(() => rm(identityFolder, { recursive: true, force: true }));
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  interface FakeConsole {
    port: number;
    connections: ControlConnection[];
    messages: AgentMessage[];
    upload: { bytes: Buffer[]; end: string };
    /** Called with every piece that came. */
    onPiece: (receivedBytes: number) => Promise<void> | void;
  }

  async function startConsole(answer: 'accept' | 'refuse' | 'nothing' = 'accept'): Promise<FakeConsole> {
    const tokens = new ServiceTokens();
    const fake: FakeConsole = {
      port: 0,
      connections: [],
      messages: [],
      upload: { bytes: [], end: '' },
      onPiece: () => {},
    };
    const service = await startImageService({
      identity,
      host: '127.0.0.1',
      port: 0,
      tokens,
      images: async () => undefined,
      uploads: async () => ({
        write: async (bytes) => {
          fake.upload.bytes.push(Buffer.from(bytes));
          await fake.onPiece(fake.upload.bytes.reduce((sum, piece) => sum + piece.length, 0));
        },
        finish: async () => {
          fake.upload.end = 'finished';
        },
        abort: async (reason) => {
          fake.upload.end = `aborted: ${reason}`;
        },
      }),
      logger: silentLog,
    });
    cleanups.push(() => service.close());
    const server = await startControlServer({
      identity,
      host: '127.0.0.1',
      port: 0,
      servicePort: service.port,
      tokens,
      consoleName: 'test console',
      consoleVersion: '0.0.0',
      logger: silentLog,
      onConnection: (connection) => {
        fake.connections.push(connection);
        connection.onMessage((message) => {
          fake.messages.push(message);
          if (message.type !== 'capture-request' || answer === 'nothing') return;
          if (answer === 'accept')
            connection.send({ type: 'capture-accept', jobId: 'job-1', path: '/v1/uploads/job-1' });
          else
            connection.send({
              type: 'capture-refuse',
              reason: 'an image "lab" is there already; choose another name',
            });
        });
      },
    });
    cleanups.push(() => server.close());
    fake.port = server.port;
    return fake;
  }

  function toConsole(fake: FakeConsole) {
    const { certificateSha256, siteKey } = identity;
    const key = typeof siteKey === 'string' ? siteKey : Buffer.from(siteKey).toString('hex');
    return {
      ...common(),
      to: 'console:lab',
      site: { version: 1 as const, console: `127.0.0.1:${fake.port}`, certificateSha256, siteKey: key },
    };
  }

  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 500 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(condition()).toBe(true);
  };

  it('sends the image and says how far it is', async () => {
    const fake = await startConsole();
    const result = await runBackup(toConsole(fake));
    expect(fake.upload.end).toBe('finished');
    const path = join(folder, 'received.sco');
    await writeFile(path, Buffer.concat(fake.upload.bytes));
    await using reader = await openImage(path);
    expect(reader.root.toString('hex')).toBe(result.root);
    const target = new MemoryDevice(Buffer.alloc(24 * MIB));
    await restoreImage(reader, target);
    expect(target.bytes.equals(await readFile(disk))).toBe(true);
    await until(() => fake.messages.some((message) => message.type === 'capture-end'));
    expect(fake.messages[0]).toMatchObject({ type: 'capture-request', name: 'lab' });
    const asked = fake.messages[0] as Extract<AgentMessage, { type: 'capture-request' }>;
    expect(asked.bytesMax).toBeGreaterThan(result.fileBytes);
    const steps = fake.messages.filter((message) => message.type === 'state').map((message) => message.step);
    expect(steps).toEqual(['capturing', 'finishing', 'done']);
    expect(fake.messages.some((message) => message.type === 'progress')).toBe(true);
    expect(fake.messages.at(-1)).toEqual({ type: 'capture-end', jobId: 'job-1', ok: true, error: '' });
    expect(milestones[0]).toBe('TOTALDEPLOY connected to test console');
    expect(milestones.at(-1)).toMatch(/^TOTALDEPLOY done image lab: 22.0 MB used/);
  });

  it('says why the console does not want it', async () => {
    const fake = await startConsole('refuse');
    await expect(runBackup(toConsole(fake))).rejects.toThrow(
      /does not store "lab": an image "lab" is there already/,
    );
    expect(fake.upload.end).toBe('');
  });

  it('fails clearly when the upload is broken off, and the console keeps nothing', async () => {
    const fake = await startConsole();
    fake.onPiece = (receivedBytes) => {
      if (receivedBytes > 2 * MIB) throw new TdError('no-space', 'the disk of the images is full');
    };
    await expect(runBackup(toConsole(fake))).rejects.toThrow('the disk of the images is full');
    await until(() => fake.messages.some((message) => message.type === 'capture-end'));
    expect(fake.upload.end).toMatch(/^aborted/);
    expect(fake.messages.at(-1)).toMatchObject({ type: 'capture-end', ok: false });
    expect(problems.at(-1)).toContain('the disk of the images is full');
  });

  it('stops when the console cancels', async () => {
    const fake = await startConsole();
    let cancelled = false;
    fake.onPiece = async (receivedBytes) => {
      if (cancelled || receivedBytes < 2 * MIB) return;
      cancelled = true;
      fake.connections[0]?.send({ type: 'cancel', jobId: 'job-1', reason: 'not today' });
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
    await expect(runBackup(toConsole(fake))).rejects.toThrow('The console cancelled the capture: not today');
    await until(() => fake.upload.end.startsWith('aborted'));
  });

  it('tells the console when it is stopped itself', async () => {
    const fake = await startConsole();
    const stop = new AbortController();
    fake.onPiece = (receivedBytes) => {
      if (receivedBytes > 2 * MIB) stop.abort();
    };
    await expect(runBackup({ ...toConsole(fake), signal: stop.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    await until(() => fake.upload.end.startsWith('aborted'));
    await until(() => fake.messages.some((message) => message.type === 'capture-end'));
  });

  it('goes on when the control connection is cut for a moment, and reports on the new one', async () => {
    const fake = await startConsole();
    let cut = false;
    fake.onPiece = async (receivedBytes) => {
      if (cut || receivedBytes < 2 * MIB) return;
      cut = true;
      fake.connections[0]?.close();
      await until(() => fake.connections.length === 2);
    };
    await runBackup(toConsole(fake));
    expect(fake.upload.end).toBe('finished');
    await until(() => fake.messages.at(-1)?.type === 'capture-end');
    expect(fake.messages.at(-1)).toMatchObject({ ok: true });
  });

  it('fails at once when the console goes away before it answered', async () => {
    const fake = await startConsole('nothing');
    const backup = runBackup(toConsole(fake));
    backup.catch(() => {}); // it may fail before it is awaited
    await until(() => fake.messages.length === 1);
    fake.connections[0]?.close();
    await expect(backup).rejects.toThrow(/The connection to the console test console \(127.0.0.1\) is lost/);
  });

  it('trusts no other console than the one of its medium', async () => {
    const fake = await startConsole();
    const options = toConsole(fake);
    const site = { ...options.site, certificateSha256: 'ab'.repeat(32) };
    await expect(runBackup({ ...options, site })).rejects.toMatchObject({ code: 'untrusted' });
    expect(fake.connections).toHaveLength(0);
  });

  it('says so when no console is there', async () => {
    const backup = runBackup({ ...common(), to: 'console:lab', console: '127.0.0.1:1' });
    await expect(backup).rejects.toMatchObject({ code: 'network' });
  });
});
