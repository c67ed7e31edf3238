import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { connectConsole, isConsoleAlive } from './rpc-client.ts';
import { LineSplitter } from './rpc-messages.ts';
import { type RpcServer, startRpcServer } from './rpc-server.ts';

let dir: string;
let path: string;
let server: RpcServer;
let gone = false;

beforeEach(async () => {
  gone = false;
  dir = await mkdtemp(join(tmpdir(), 'td-rpc-'));
  path = join(dir, 'console.sock');
  const methods = {
    echo: async ({ params }: { params: object }) => params,
    count: async ({ emit }: { emit(event: unknown): void }) => {
      for (let i = 0; i < 3; i += 1) emit(i);
      return 'end';
    },
    fail: async () => {
      throw new TdError('not-found', 'There is no such job');
    },
    wait: ({ signal }: { signal: AbortSignal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          gone = true;
          resolve(null);
        });
      }),
  };
  server = await startRpcServer(path, { methods, logger: silentLog });
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

describe('the socket of the console', () => {
  it('answers calls side by side, with events before results and errors with their code', async () => {
    await using client = await connectConsole(path);
    const events: unknown[] = [];
    const [echo, end] = await Promise.all([
      client.call('echo', { text: 'ä\nb' }),
      client.call('count', {}, (event) => events.push(event)),
    ]);
    expect(echo).toEqual({ text: 'ä\nb' });
    expect([...events, end]).toEqual([0, 1, 2, 'end']);
    await expect(client.call('fail')).rejects.toMatchObject({
      code: 'not-found',
      message: 'There is no such job',
    });
    for (const method of ['nothing', 'constructor', '__proto__']) {
      await expect(client.call(method)).rejects.toMatchObject({ code: 'usage' });
    }
  });

  it('is for its owner only', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('tells a method that its client went away, and a client that the console did', async () => {
    const client = await connectConsole(path);
    const waiting = client.call('wait').catch((error) => error);
    await client.call('echo');
    client.close();
    expect(await waiting).toMatchObject({ code: 'network' });
    for (let i = 0; i < 100 && !gone; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(gone).toBe(true);
    await using other = await connectConsole(path);
    const lost = other.call('wait').catch((error) => error);
    await other.call('echo');
    await server.close();
    expect(await lost).toMatchObject({ code: 'network' });
  });

  it('says how to start a console when none is there', async () => {
    await server.close();
    expect(await isConsoleAlive(path)).toBe(false);
    await expect(connectConsole(path)).rejects.toThrow('totaldeploy console');
  });

  it('survives rubbish and closes on endless lines', async () => {
    const socket = connect(path);
    const replies: string[] = [];
    socket.on('data', (bytes) => replies.push(bytes.toString()));
    socket.write('{}\nnull\n[1,2]\nx\n{"id":1,"method":5}\n');
    for (let i = 0; i < 100 && replies.join('').split('\n').length < 6; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(
      replies
        .join('')
        .trim()
        .split('\n')
        .every((line) => 'error' in JSON.parse(line)),
    ).toBe(true);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.write('x'.repeat(2 * 1024 * 1024));
    await closed;
    await using client = await connectConsole(path);
    expect(await client.call('echo', { still: 'there' })).toEqual({ still: 'there' });
  });
});

describe('line splitter', () => {
  it('gives the lines however they are cut', () => {
    const line = fc.string({ maxLength: 30 }).map((text) => text.replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), fc.integer({ min: 1, max: 20 }), (lines, pieceBytes) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const splitter = new LineSplitter(1000);
        const out: string[] = [];
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          out.push(...(splitter.push(bytes.subarray(at, at + pieceBytes)) ?? []));
        }
        expect(out).toEqual(lines.map((text) => Buffer.from(text).toString()));
      }),
    );
  });
});
