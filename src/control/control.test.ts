import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import { certificatePem, makeCertificate } from './certificate.ts';
import { connectControl } from './control-client.ts';
import type { ControlConnection } from './control-connection.ts';
import { type ControlServerOptions, startControlServer } from './control-server.ts';
import { encodeFrame, FrameDecoder } from './frames.ts';
import { createIdentity, type Identity } from './identity.ts';
import type { AgentMessage } from './messages.ts';
import { siteProof } from './site-proof.ts';
import { testMachine } from './testdata/test-machine.ts';

let dir: string;
let identity: Identity;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-control-'));
  identity = await createIdentity(join(dir, 'identity'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startServer(options: Partial<ControlServerOptions> = {}) {
  const connections: ControlConnection[] = [];
  const refused: string[] = [];
  const server = await startControlServer({
    identity,
    host: '127.0.0.1',
    port: 0,
    servicePort: 5003,
    consoleName: 'test console',
    consoleVersion: '0.0.0',
    logger: silentLog,
    onConnection: (connection) => connections.push(connection),
    onRefused: (_address, reason) => refused.push(reason),
    ...options,
  });
  cleanups.push(() => server.close());
  return { server, connections, refused };
}

function client(port: number, options: Partial<Parameters<typeof connectControl>[0]> = {}) {
  return connectControl({
    host: '127.0.0.1',
    port,
    certificateSha256: identity.certificateSha256,
    siteKey: identity.siteKey,
    role: 'agent',
    version: '0.0.0',
    machine: testMachine(1),
    logger: silentLog,
    ...options,
  });
}

const until = async (condition: () => boolean, what: string) => {
  for (let i = 0; i < 1500; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain: ${what}`);
};

function rawTls(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(socket));
    socket.on('error', reject);
    cleanups.push(() => socket.destroy());
  });
}

const closed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
  });

describe('control connection', () => {
  it('welcomes a computer with the site key and carries messages both ways', async () => {
    const { server, connections } = await startServer();
    const agent = await client(server.port);
    cleanups.push(() => agent.close());
    expect(agent.welcome).toMatchObject({ consoleName: 'test console', servicePort: 5003 });
    expect(agent.certificateSha256).toBe(identity.certificateSha256);
    const [connection] = connections;
    expect(connection).toMatchObject({ proven: true, address: '127.0.0.1' });
    expect(connection?.computerId).toBe('00000000-0000-4000-8000-000000000001/02:00:00:00:00:01');
    expect(server.tokens.find(agent.welcome.serviceToken)).toEqual({
      computerId: connection?.computerId,
      connectionId: connection?.id,
    });
    const got: AgentMessage[] = [];
    connection?.onMessage((message) => got.push(message));
    expect(agent.send({ type: 'log', level: 'info', text: 'hello' })).toBe(true);
    await until(() => got.length === 1, 'message at the console');
    connection?.send({ type: 'power', action: 'restart' });
    // The handler comes late on purpose: nothing may be lost.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const orders: string[] = [];
    agent.onMessage((message) => orders.push(message.type));
    await until(() => orders.length === 1, 'order at the computer');
    expect(orders).toEqual(['power']);
  });

  it('tells both sides when it ends', async () => {
    const { server, connections } = await startServer();
    const [first, second] = [await client(server.port), await client(server.port)];
    const reasons: string[] = [];
    connections[0]?.onClose((reason) => reasons.push(`console: ${reason}`));
    second.onClose((reason) => reasons.push(`agent: ${reason}`));
    first.close();
    connections[1]?.close();
    await until(() => reasons.length === 2, 'both closed');
    expect(connections[0]?.send({ type: 'ping' })).toBe(false);
    expect(second.send({ type: 'pong' })).toBe(false);
  });

  it('is refused by the client when the certificate is another, before a byte is sent', async () => {
    const other = makeCertificate('man in the middle');
    let received = 0;
    const middle = createTlsServer(
      { cert: certificatePem(other.certificateDer), key: other.keyPem },
      (socket) => {
        socket.on('error', () => {});
        socket.on('data', (bytes) => {
          received += bytes.length;
        });
      },
    );
    await new Promise<void>((resolve) => middle.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => middle.close());
    const { port } = middle.address() as { port: number };
    const error = await client(port).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'untrusted' });
    expect(error.message).toContain('export the medium again');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(received).toBe(0);
  });

  it('refuses a proof passed on by someone in the middle', async () => {
    const { server, refused } = await startServer();
    const [a, b] = [await rawTls(server.port), await rawTls(server.port)];
    const proof = siteProof(a, identity.siteKey);
    b.write(
      encodeFrame({
        type: 'hello',
        protocol: 1,
        role: 'agent',
        version: '0',
        proof,
        machine: testMachine(1),
      }),
    );
    await closed(b);
    expect(refused[0]).toContain('site key');
  });

  it('refuses a wrong site key with what to do', async () => {
    const { server, connections } = await startServer();
    const error = await client(server.port, { siteKey: Buffer.alloc(32, 1) }).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'refused' });
    expect(error.message).toContain('export the medium again');
    expect(connections).toHaveLength(0);
  });

  it('refuses a medium without a site image unless unknown ones are accepted', async () => {
    const strict = await startServer();
    const bare = { certificateSha256: undefined, siteKey: undefined };
    await expect(client(strict.server.port, bare)).rejects.toThrow('--accept-unknown');
    const open = await startServer({ acceptUnknown: true });
    const agent = await client(open.server.port, bare);
    cleanups.push(() => agent.close());
    expect(open.connections[0]?.proven).toBe(false);
  });

  it('still refuses a wrong site key when unknown ones are accepted', async () => {
    const { server } = await startServer({ acceptUnknown: true });
    await expect(client(server.port, { siteKey: Buffer.alloc(32) })).rejects.toMatchObject({
      code: 'refused',
    });
  });

  it('refuses another protocol version', async () => {
    const { server, refused } = await startServer();
    const socket = await rawTls(server.port);
    const proof = siteProof(socket, identity.siteKey);
    socket.write(
      encodeFrame({
        type: 'hello',
        protocol: 99,
        role: 'agent',
        version: '0',
        proof,
        machine: testMachine(1),
      }),
    );
    await closed(socket);
    expect(refused[0]).toContain('protocol 99');
  });

  it('speaks TLS 1.3 only', async () => {
    const { server } = await startServer();
    const error = await new Promise<Error>((resolve, reject) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port: server.port,
        rejectUnauthorized: false,
        maxVersion: 'TLSv1.2',
      });
      socket.on('error', resolve);
      socket.on('secureConnect', () => reject(new Error('TLS 1.2 was taken')));
    });
    expect(error.message).toContain('alert');
  });
});

describe('slow and hostile peers', () => {
  it('that leave because they pinned another console are told of at this one', async () => {
    const { server, refused } = await startServer();
    await expect(client(server.port, { certificateSha256: 'ab'.repeat(32) })).rejects.toMatchObject({
      code: 'untrusted',
    });
    await until(() => refused.length === 1, 'the notice');
    expect(refused[0]).toContain('another console');
  });

  it('are closed when they say nothing at all, before and after the TLS handshake', async () => {
    const { server } = await startServer({ limits: { helloTimeoutMs: 150 } });
    const silentTcp = connectTcp(server.port, '127.0.0.1');
    cleanups.push(() => silentTcp.destroy());
    const silentTls = await rawTls(server.port);
    await Promise.all([closed(silentTcp), closed(silentTls)]);
  });

  it('are closed when their hello drips in byte by byte', async () => {
    const { server } = await startServer({ limits: { helloTimeoutMs: 200 } });
    const socket = await rawTls(server.port);
    const drip = setInterval(() => socket.write('\0'), 20);
    cleanups.push(() => clearInterval(drip));
    const header = Buffer.alloc(4);
    header.writeUInt32BE(100_000);
    socket.write(header);
    await closed(socket);
  });

  it('do not keep close() waiting', async () => {
    const { server } = await startServer();
    const silent = connectTcp(server.port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    await server.close();
    await closed(silent);
  });

  it('are closed after too many wrong frames, and a few are forgiven', async () => {
    const { server, connections } = await startServer({ limits: { badFramesMax: 3 } });
    const socket = await rawTls(server.port);
    const proof = siteProof(socket, identity.siteKey);
    const hello = { type: 'hello', protocol: 1, role: 'agent', version: '0', proof, machine: testMachine(1) };
    // Everything in one piece: what follows the hello must not be lost either.
    socket.write(Buffer.concat([encodeFrame(hello), encodeFrame({ type: 'nonsense' })]));
    await until(() => connections.length === 1, 'welcome');
    let reason = '';
    connections[0]?.onClose((why) => {
      reason = why;
    });
    for (let i = 0; i < 2; i += 1) socket.write(encodeFrame({ type: 'nonsense', i }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(connections[0]?.closed).toBe(false);
    socket.write(encodeFrame({ type: 'nonsense' }));
    await closed(socket);
    expect(reason).toContain('wrong frames');
  });

  it('are closed at once on a frame beyond the limit, before or after the hello', async () => {
    const { server, refused } = await startServer();
    const socket = await rawTls(server.port);
    socket.write(Buffer.from('ffffffff', 'hex'));
    await closed(socket);
    expect(refused[0]).toContain('frame length');
  });

  it('are given up when they go silent, and the console is by the computer', async () => {
    const { server, connections } = await startServer({ limits: { pingIntervalMs: 30, silenceMsMax: 150 } });
    const socket = await rawTls(server.port);
    const proof = siteProof(socket, identity.siteKey);
    socket.write(
      encodeFrame({
        type: 'hello',
        protocol: 1,
        role: 'agent',
        version: '0',
        proof,
        machine: testMachine(1),
      }),
    );
    const decoder = new FrameDecoder();
    const types: unknown[] = [];
    socket.on('data', (bytes: Buffer) => {
      for (const result of decoder.push(bytes))
        if (result.ok) types.push((result.value as { type: string }).type);
    });
    await closed(socket);
    expect(types.slice(0, 2)).toEqual(['welcome', 'ping']);
    expect(connections[0]?.closed).toBe(true);
    const patient = await startServer({ limits: { pingIntervalMs: 60_000 } });
    const agent = await client(patient.server.port, { silenceMsMax: 120 });
    const reason = await new Promise<string>((resolve) => agent.onClose(resolve));
    expect(reason).toContain('nothing heard');
  });

  it('stay connected while they only answer pings', async () => {
    const { server, connections } = await startServer({ limits: { pingIntervalMs: 50, silenceMsMax: 800 } });
    const agent = await client(server.port, { silenceMsMax: 800 });
    cleanups.push(() => agent.close());
    await new Promise((resolve) => setTimeout(resolve, 1800));
    expect(connections[0]?.closed).toBe(false);
    expect(agent.closed).toBe(false);
  });

  it('cannot flood: reading pauses, nothing is lost', async () => {
    const { server, connections } = await startServer({ limits: { framesPerSecondMax: 50 } });
    const agent = await client(server.port);
    cleanups.push(() => agent.close());
    let got = 0;
    connections[0]?.onMessage(() => {
      got += 1;
    });
    for (let i = 0; i < 120; i += 1) agent.send({ type: 'log', level: 'info', text: 'x'.repeat(900) });
    await until(() => got === 120, 'all messages');
  });

  it('that do not read are given up', async () => {
    const { server, connections } = await startServer({ limits: { backlogBytesMax: 64 * 1024 } });
    const socket = await rawTls(server.port);
    const proof = siteProof(socket, identity.siteKey);
    socket.write(
      encodeFrame({
        type: 'hello',
        protocol: 1,
        role: 'agent',
        version: '0',
        proof,
        machine: testMachine(1),
      }),
    );
    await until(() => connections.length === 1, 'welcome');
    socket.pause();
    const [connection] = connections;
    let sent = 0;
    while (connection?.send({ type: 'cancel', jobId: 'x', reason: 'r'.repeat(900) }) && sent < 200_000) {
      sent += 1;
      if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(connection?.closed).toBe(true);
  });

  it('get a timeout when a console never answers', async () => {
    const silent = createTcpServer((socket) => cleanups.push(() => socket.destroy()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => silent.close());
    const { port } = silent.address() as { port: number };
    const signal = AbortSignal.timeout(100);
    await expect(client(port, { signal })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(client(1)).rejects.toMatchObject({ code: 'network' });
  });
});
