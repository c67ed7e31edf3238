import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { type ReceiveOptions, type ReceiveSource, startReceiveSession } from './receive-session.ts';
import { type SendOptions, type SendSource, startSendSession } from './send-session.ts';

const stop = { controller: new AbortController() };

afterEach(() => {
  stop.controller.abort(new TdError('cancelled', 'test over'));
  stop.controller = new AbortController();
});

const chunks = Array.from({ length: 12 }, (_, i) => randomBytes(i % 4 === 0 ? 100 : 40_000 + i));
const sizes = { chunkCount: chunks.length, storedBytes: (ordinal: number) => chunks[ordinal]!.length };

/** Comparing by the runner's own deep equality takes seconds. */
function isImage(got: readonly (Buffer | undefined)[]): boolean {
  return chunks.every((chunk, ordinal) => got[ordinal]?.equals(chunk) === true);
}

/** A group of its own for every test, on the loopback interface. */
let groups = 0;
function place() {
  groups += 1;
  const group = `239.255.${process.pid % 256}.${groups}`;
  const token = randomBytes(8);
  const { signal } = stop.controller;
  return {
    group,
    port: 45_004,
    interfaceAddress: '127.0.0.1',
    token,
    key: randomBytes(32),
    logger: silentLog,
    signal,
  };
}

function send(
  at: ReturnType<typeof place>,
  source: Partial<SendSource> = {},
  options: Partial<SendOptions> = {},
) {
  return startSendSession(
    { ...sizes, read: async (ordinal) => chunks[ordinal]!, ...source },
    { ...at, reportPort: 0, receivers: [{ receiverId: 1, name: 'one' }], ...options },
  );
}

function receive(
  at: ReturnType<typeof place>,
  port: number,
  source: Partial<ReceiveSource> = {},
  options: Partial<ReceiveOptions> = {},
) {
  const got: (Buffer | undefined)[] = [];
  const session = startReceiveSession(
    {
      ...sizes,
      deliver: async (ordinal, bytes) => {
        got[ordinal] = Buffer.from(bytes);
        return 'ok';
      },
      fetch: async (ordinal) => chunks[ordinal]!,
      ...source,
    },
    { ...at, receiverId: 1, reportTo: { address: '127.0.0.1', port }, ...options },
  );
  return { session, got };
}

describe('sessions on real sockets', () => {
  it('bring an image to two receivers and end', async () => {
    const at = place();
    const sender = send(at);
    sender.addReceiver({ receiverId: 2, name: 'two' });
    const port = await sender.reportPort;
    const progress: number[] = [];
    const one = receive(at, port, {}, { onProgress: (done, total) => progress.push(done / total) });
    const two = receive(at, port, { have: [0, 3] }, { receiverId: 2 });
    const [first, second] = await Promise.all([one.session.done, two.session.done]);
    expect(isImage(one.got)).toBe(true);
    expect(isImage(chunks.map((chunk, i) => two.got[i] ?? chunk))).toBe(true);
    expect(two.got[3]).toBeUndefined();
    expect(two.got[0]).toBeUndefined();
    expect(first.multicastChunks + first.tcpChunks).toBe(12);
    expect(second.multicastChunks + second.tcpChunks).toBe(10);
    expect(progress.at(-1)).toBe(1);
    const done = await sender.done;
    expect(done.receivers.map((receiver) => receiver.standing)).toEqual(['complete', 'complete']);
  });

  it('ask again for what did not verify', async () => {
    const at = place();
    const sender = send(at);
    const times: number[] = [];
    const { session } = receive(at, await sender.reportPort, {
      deliver: async (ordinal) => {
        times[ordinal] = (times[ordinal] ?? 0) + 1;
        return ordinal === 5 && times[ordinal] === 1 ? 'damaged' : 'ok';
      },
    });
    await session.done;
    expect(times[5]).toBe(2);
    await sender.done;
  });

  it('end with the error of the disk when a chunk cannot be written', async () => {
    const at = place();
    const sender = send(at);
    const { session } = receive(at, await sender.reportPort, {
      deliver: async () => {
        throw new TdError('no-space', 'disk full');
      },
    });
    await expect(session.done).rejects.toMatchObject({ code: 'no-space' });
    sender.stop();
    const done = await sender.done;
    expect(done.receivers[0]?.standing).toBe('dropped');
  });

  it('end with the chunk’s number when the image cannot be read', async () => {
    const at = place();
    const sender = send(at, {
      read: async (ordinal) => {
        if (ordinal === 3) throw new Error('EIO');
        return chunks[ordinal]!;
      },
    });
    receive(at, await sender.reportPort).session.done.catch(() => {});
    await expect(sender.done).rejects.toMatchObject({ code: 'io', message: 'Cannot read chunk 3: EIO' });
  });

  it('fetch everything over TCP when no sender is heard, and fail when TCP does not answer either', async () => {
    const at = place();
    const { session, got } = receive(at, 9, {}, { silenceMsMax: 300 });
    expect(await session.done).toMatchObject({ tcpChunks: 12, multicastChunks: 0 });
    expect(isImage(got)).toBe(true);
    const wrong = receive(place(), 9, { fetch: async () => chunks[0]! }, { silenceMsMax: 10 }).session;
    stop.controller.abort(new TdError('cancelled', 'enough'));
    await expect(wrong.done).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('count noise, foreign and forged datagrams and are not harmed', async () => {
    const at = place();
    const sender = send(at, {}, { rateBytesPerSecond: 400_000 });
    const port = await sender.reportPort;
    const noise = createSocket('udp4');
    const spray = setInterval(() => {
      const forged = randomBytes(200);
      forged.write('54440103', 0, 'hex');
      at.token.copy(forged, 4);
      noise.send(forged, port, '127.0.0.1');
      noise.send(randomBytes(50), port, '127.0.0.1');
      noise.send(forged, at.port, at.group);
      noise.send(randomBytes(1472), at.port, at.group);
    }, 5);
    try {
      noise.bind(0, () => noise.setMulticastInterface('127.0.0.1'));
      const { session, got } = receive(at, port);
      expect((await session.done).badDatagrams).toBeGreaterThan(10);
      expect(isImage(got)).toBe(true);
      expect((await sender.done).badDatagrams).toBeGreaterThan(10);
    } finally {
      clearInterval(spray);
      noise.close();
    }
  });

  it('say what is wrong with an address, a port or a size', async () => {
    const at = place();
    const nowhere = send({ ...at, interfaceAddress: '192.0.2.1' });
    await expect(nowhere.reportPort).rejects.toMatchObject({ code: 'network' });
    await expect(nowhere.done).rejects.toMatchObject({ code: 'network' });
    const { session } = receive({ ...at, interfaceAddress: '192.0.2.1' }, 9);
    await expect(session.done).rejects.toMatchObject({ code: 'network' });
    expect(() => send(at, {}, { datagramBytes: 20_000 })).toThrow('20000 bytes');
    expect(() => send(at, { storedBytes: () => 2 ** 30 })).toThrow('the limit is');
    expect(() => send(at, { chunkCount: 2 ** 31 })).toThrow('the limit is');
  });
});
