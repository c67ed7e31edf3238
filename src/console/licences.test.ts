import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestDraft } from '../image/testdata/small-image.ts';
import { silentLog } from '../lib/log.ts';
import { registerConsoleCommands } from './console-commands.ts';
import { type LicenceFile, signedBytes } from './licence-file.ts';
import { imageKind, Licences } from './licences.ts';
import { licenceMethods } from './methods/licence-methods.ts';
import type { NewEvent } from './store.ts';
import { states, TestConsole } from './testdata/test-console.ts';

let dir: string;
let vendor: { publicKey: KeyObject; privateKey: KeyObject };
let events: NewEvent[];
let open: Licences[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-licences-'));
  vendor = generateKeyPairSync('ed25519');
  events = [];
  open = [];
});
afterEach(async () => {
  for (const one of open) one[Symbol.dispose]();
  await rm(dir, { recursive: true, force: true });
});

async function openLicences(): Promise<Licences> {
  const vendorKey = vendor.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const addEvent = (event: NewEvent) => events.push(event);
  const one = await Licences.open(dir, { addEvent, logger: silentLog, vendorKey });
  open.push(one);
  return one;
}

async function licenceFile(server: number, workstation: number, changes: object = {}): Promise<string> {
  const facts = {
    version: 1 as const,
    holder: 'School',
    server,
    workstation,
    id: 'L-1',
    issued: '2026-01-31',
  };
  const signature = sign(null, signedBytes(facts), vendor.privateKey).toString('base64');
  const path = join(dir, 'given.licence');
  // Another order of fields and other spaces are the same licence.
  await writeFile(path, JSON.stringify({ signature, ...facts, ...changes } satisfies LicenceFile, null, 4));
  return path;
}

const pc = (number: number, mac = '02:00:00:00:00:01') =>
  `00000000-0000-4000-8000-${String(number).padStart(12, '0')}/${mac}`;

describe('licences', () => {
  it('are off until one is loaded: any number of computers, and no file', async () => {
    const licences = await openLicences();
    for (let i = 0; i < 100; i += 1) expect(licences.mayDeploy(pc(i), 'server')).toBe('');
    expect(licences.status()).toMatchObject({ enforced: false, computers: [] });
    await expect(readFile(join(dir, 'licences.db'))).rejects.toThrow('ENOENT');
  });

  it('count each computer once, by its number, whatever its network card and how often', async () => {
    const licences = await openLicences();
    await licences.load(await licenceFile(0, 2));
    expect(licences.mayDeploy(pc(1), 'workstation')).toBe('');
    expect(licences.mayDeploy(pc(1, '02:00:00:00:00:99'), 'unknown')).toBe('');
    expect(licences.mayDeploy(pc(1), 'none')).toBe('');
    expect(licences.mayDeploy('no-uuid/02:00:00:00:00:05', 'unknown')).toBe('');
    expect(licences.mayDeploy('no-uuid/02:00:00:00:00:06', 'unknown')).toContain(
      '2 of 2 workstation licences',
    );
    expect(licences.status().workstation).toEqual({ bought: 2, used: 2 });
    expect(events.filter((one) => one.kind === 'licence-taken')).toHaveLength(2);
  });

  it('take a workstation licence for a disk without a system, unless the computer has one', async () => {
    const licences = await openLicences();
    await licences.load(await licenceFile(1, 0));
    expect(licences.mayDeploy(pc(1), 'server')).toBe('');
    expect(licences.mayDeploy(pc(1), 'none')).toBe('');
    expect(licences.mayDeploy(pc(2), 'none')).toContain('licence load FILE');
  });

  it('let a server licence stand in only when that is allowed, and say how', async () => {
    const licences = await openLicences();
    await licences.load(await licenceFile(1, 1));
    expect(licences.mayDeploy(pc(1), 'unknown')).toBe('');
    expect(licences.mayDeploy(pc(2), 'unknown')).toContain('totaldeploy licence substitute auto');
    licences.setSubstitute('auto');
    expect(licences.mayDeploy(pc(2), 'unknown')).toBe('');
    expect(licences.status()).toMatchObject({
      server: { used: 1 },
      workstation: { used: 1 },
      substitute: 'auto',
    });
    expect(licences.mayDeploy(pc(3), 'unknown')).toContain('licence load FILE');
  });

  it('move a workstation that becomes a server to a server licence', async () => {
    const licences = await openLicences();
    await licences.load(await licenceFile(1, 1));
    expect(licences.mayDeploy(pc(1), 'workstation')).toBe('');
    expect(licences.mayDeploy(pc(1), 'server')).toBe('');
    expect(licences.status()).toMatchObject({ server: { used: 1 }, workstation: { used: 0 } });
    expect(licences.mayDeploy(pc(2), 'server')).toContain('1 of 1 server licences are used');
  });

  it('remember everything after a restart', async () => {
    const before = await openLicences();
    await before.load(await licenceFile(1, 1));
    before.mayDeploy(pc(1), 'unknown');
    before.setSubstitute('auto');
    before[Symbol.dispose]();
    const after = await openLicences();
    expect(after.status()).toEqual(before.status());
    expect(after.status()).toMatchObject({
      enforced: true,
      holder: 'School',
      computers: [{ computerId: pc(1) }],
    });
  });

  it('refuse files that are changed, foreign, missing or no licence, and keep the one they have', async () => {
    const licences = await openLicences();
    await licences.load(await licenceFile(0, 1));
    for (const changes of [{ workstation: 500 }, { holder: 'Thief' }, { signature: 'AAAA' }]) {
      const path = await licenceFile(0, 1, changes);
      await expect(licences.load(path)).rejects.toMatchObject({ code: 'untrusted' });
    }
    await writeFile(join(dir, 'text'), 'hello');
    await writeFile(join(dir, 'big'), Buffer.alloc(100_000, 0x20));
    await symlink('/dev/zero', join(dir, 'endless'));
    for (const [name, code] of [
      ['text', 'damaged'],
      ['big', 'damaged'],
      ['endless', 'damaged'],
      ['nowhere', 'not-found'],
    ] as const) {
      await expect(licences.load(join(dir, name)), name).rejects.toMatchObject({ code });
    }
    const extra = await licenceFile(0, 1, { unlimited: true });
    await expect(licences.load(extra)).rejects.toThrow('unlimited');
    expect(licences.status()).toMatchObject({ enforced: true, workstation: { bought: 1 } });
  });

  it('stop deployments, but no console, when the kept licence was tampered with', async () => {
    await (await openLicences()).load(await licenceFile(0, 1));
    const kept = join(dir, 'licence.json');
    await writeFile(kept, (await readFile(kept, 'utf8')).replace('"workstation": 1', '"workstation": 9'));
    const licences = await openLicences();
    expect(licences.mayDeploy(pc(1), 'unknown')).toContain('signature is wrong');
    expect(licences.status()).toMatchObject({
      enforced: true,
      problem: expect.stringContaining('signature'),
    });
    expect(events.at(-1)).toMatchObject({ kind: 'licence-damaged', level: 'error' });
    await licences.load(await licenceFile(0, 1));
    expect(licences.mayDeploy(pc(1), 'unknown')).toBe('');
  });

  it('are called with checked parameters', async () => {
    const methods = licenceMethods({ licences: await openLicences() });
    const call = (name: string, params: Record<string, unknown>) =>
      methods[name]!({ params, emit: () => {}, signal: AbortSignal.timeout(1000) });
    await expect(call('licences.load', { path: 'relative' })).rejects.toThrow('must begin with /');
    await expect(call('licences.substitute', { substitute: 'perhaps' })).rejects.toThrow(
      'Cannot use "substitute"',
    );
    expect(await call('licences.substitute', { substitute: 'auto' })).toMatchObject({ substitute: 'auto' });
    expect(await call('licences', {})).toMatchObject({ enforced: false, substitute: 'auto' });
  });
});

describe('a deployment', () => {
  it('leaves out computers beyond the licence and says why; the command shows what is used', async () => {
    const vendorKey = vendor.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    await using lab = await TestConsole.start({ parts: { vendorKey } });
    await lab.addImage('office');
    await lab.rpc.call('licences.load', { path: await licenceFile(0, 1) });
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await lab.deploy({ image: 'office', after: 'wait' });
    for (const one of [a, b]) {
      await one.order('preflight');
      one.send({ type: 'preflight-result', jobId, ok: true, reason: '', disk: 'sda' });
    }
    a.report((await a.order('deploy')).deployment);
    const end = await ended;
    expect(states(end)).toEqual({ '02:00:00:00:00:01': 'done', '02:00:00:00:00:02': 'failed' });
    expect(end.targets[1]?.reason).toContain('1 of 1 workstation licences are used');
    let out = '';
    const program = new Command().exitOverride();
    registerConsoleCommands(program, {
      ...{ note: () => {}, columns: undefined, signal: AbortSignal.timeout(10_000), defaultDataDir: lab.dir },
      out: (text) => {
        out += text;
      },
    });
    await program.parseAsync(['licence'], { from: 'user' });
    expect(out).toMatch(/Licence of School\nServers +0 of 0 used\nWorkstations +1 of 1 used/);
    expect(out).toContain('02:00:00:00:00:01  workstation');
    const wrong = program.parseAsync(['licence', 'substitute', 'perhaps'], { from: 'user' });
    await expect(wrong).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('the kind of an image', () => {
  it('is unknown where a system may be, and none where none can be', () => {
    const draft = manifestDraft(64 * 1024 * 1024);
    const disk = draft.disks[0]!;
    const partition = (kind: 'ntfs' | 'fat32' | 'luks') => ({
      ...{
        number: 1,
        startBytes: 1_048_576,
        sizeBytes: 1_048_576,
        typeId: '83',
        id: '',
        name: '',
        attributes: '00',
      },
      filesystem: { kind, label: '', uuid: '' },
    });
    const kindOf = (...kinds: Parameters<typeof partition>[0][]) =>
      imageKind({ disks: [{ ...disk, table: 'mbr', partitions: kinds.map(partition) }] });
    expect(kindOf('fat32', 'ntfs')).toBe('unknown');
    expect(kindOf('luks')).toBe('unknown');
    expect(kindOf('fat32')).toBe('none');
    expect(kindOf()).toBe('none');
    expect(imageKind({ disks: [{ ...disk, table: 'none', partitions: [] }] })).toBe('unknown');
  });
});
