import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { TestNetwork } from './testdata/test-network.ts';

const COMPUTERS = { alpha: '10.77.0.1', beta: '10.77.0.2', agent: '10.77.0.3' } as const;
type Computer = keyof typeof COMPUTERS;
const CERTIFICATES = { alpha: 'a'.repeat(64), beta: 'b'.repeat(64) } as const;

let network: TestNetwork;
const children: ChildProcess[] = [];

beforeAll(async () => {
  network = await TestNetwork.create('tdd');
  for (const [computer, address] of Object.entries(COMPUTERS)) await network.add(computer, address);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await network[Symbol.asyncDispose]();
});

function nodeIn(computer: Computer, code: string): string[] {
  return network.command(computer, process.execPath, ['--input-type=module', '-e', code]);
}

const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
const logModule = JSON.stringify(new URL('../lib/log.ts', import.meta.url).href);

async function startConsole(computer: 'alpha' | 'beta'): Promise<ChildProcess> {
  const code = `
    import { startDiscoveryResponder } from ${moduleUrl('discovery-responder.ts')};
    import { silentLog } from ${logModule};
    await startDiscoveryResponder({ consoleName: '${computer}', consoleVersion: '1', controlPort: 5001,
      certificateSha256: '${CERTIFICATES[computer]}', interfaceAddress: '${COMPUTERS[computer]}', logger: silentLog });
    console.log('ready');`;
  const child = spawn('ip', nodeIn(computer, code), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function find(options: object): Promise<{ found?: string; error?: string; code?: string }> {
  const code = `
    import { findConsole } from ${moduleUrl('discovery.ts')};
    import { silentLog } from ${logModule};
    try {
      const one = await findConsole({ interfaceAddresses: ['${COMPUTERS.agent}'], logger: silentLog,
        ...${JSON.stringify(options)} });
      console.log(JSON.stringify({ found: one.name + '@' + one.address + ':' + one.controlPort }));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message, code: error.code }));
    }`;
  const { stdout } = await run('ip', nodeIn('agent', code), {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  return JSON.parse(stdout);
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('discovery between computers', () => {
  it('names none, one, or both consoles, and the site image decides between two', async () => {
    expect(await find({ waitMs: 1500 })).toMatchObject({ code: 'not-found' });

    const alpha = await startConsole('alpha');
    expect(await find({})).toEqual({ found: 'alpha@10.77.0.1:5001' });
    expect(await find({ certificateSha256: CERTIFICATES.beta, waitMs: 1500 })).toMatchObject({
      code: 'not-found',
      error: expect.stringContaining('"alpha"'),
    });

    const beta = await startConsole('beta');
    const both = await find({});
    expect(both.code).toBe('refused');
    expect(both.error).toContain('"alpha" at 10.77.0.1');
    expect(both.error).toContain('"beta" at 10.77.0.2');
    expect(both.error).toContain('td.console=');
    expect(await find({ certificateSha256: CERTIFICATES.beta })).toEqual({ found: 'beta@10.77.0.2:5001' });
    expect(await find({ certificateSha256: CERTIFICATES.alpha })).toEqual({ found: 'alpha@10.77.0.1:5001' });

    await stop(alpha);
    expect(await find({})).toEqual({ found: 'beta@10.77.0.2:5001' });
    await stop(beta);
  });

  it('hears announcements where questions do not get through', async () => {
    const alpha = await startConsole('alpha');
    try {
      // Nothing for the discovery port reaches the console; its own announcements still leave.
      await run('ip', network.command('alpha', 'nft', ['-f', '-']), {
        input: 'table ip t {\n chain c {\n type filter hook input priority 0\n udp dport 5002 drop\n }\n}\n',
      });
      expect(await find({ waitMs: 9000 })).toEqual({ found: 'alpha@10.77.0.1:5001' });
    } finally {
      await stop(alpha);
      await run('ip', network.command('alpha', 'nft', ['flush', 'ruleset']));
    }
  });
});
