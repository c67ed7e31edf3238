import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { createIdentity, type Identity } from './identity.ts';
import { type ImageService, parseRoute, startImageService } from './image-service.ts';
import { connectService, type ServiceClient } from './service-client.ts';
import { ServiceTokens } from './service-tokens.ts';
import type { UploadReceiver } from './upload-receiver.ts';

let dir: string;
let identity: Identity;
let service: ImageService;
let client: ServiceClient;
const tokens = new ServiceTokens();
const token = tokens.issue({ computerId: 'c1', connectionId: 1 });

/** What the upload handler saw. */
let received: Buffer[];
let ended: string[];
let receiver: UploadReceiver;

const image = {
  manifestBytes: Buffer.from('{"manifest":1}'),
  indexBytes: Buffer.from('index bytes'),
  chunkCount: 2,
  readStored: async (ordinal: number) => Buffer.alloc(300_000, ordinal + 1),
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-service-'));
  identity = await createIdentity(join(dir, 'identity'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

beforeEach(async () => {
  received = [];
  ended = [];
  receiver = {
    write: async (bytes) => void received.push(bytes),
    finish: async () => void ended.push('finish'),
    abort: async (reason) => void ended.push(`abort: ${reason}`),
  };
  service = await startImageService({
    identity,
    host: '127.0.0.1',
    port: 0,
    tokens,
    images: async (name) => (name === 'Büro 1' ? image : undefined),
    uploads: async (jobId) => {
      if (jobId !== 'job-1') throw new TdError('not-found', `there is no capture "${jobId}"`);
      return receiver;
    },
    uploadIdleMsMax: 1000,
    logger: silentLog,
  });
  client = connect({});
});
afterEach(async () => {
  client.close();
  await service.close();
});

function connect(options: Partial<Parameters<typeof connectService>[0]>): ServiceClient {
  return connectService({
    host: '127.0.0.1',
    port: service.port,
    certificateSha256: identity.certificateSha256,
    token,
    ...options,
  });
}

const until = async (condition: () => boolean) => {
  for (let i = 0; i < 1500 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
};

describe('image service', () => {
  it('serves manifest, index and chunks, whole and by range, several at a time', async () => {
    expect(await client.getBuffer('/v1/images/Büro 1/manifest')).toEqual(image.manifestBytes);
    expect(await client.getBuffer('/v1/images/Büro 1/index')).toEqual(image.indexBytes);
    const chunks = await Promise.all(
      [0, 1, 0, 1, 0, 1].map((n) => client.getBuffer(`/v1/images/Büro 1/chunks/${n}`)),
    );
    expect(chunks.map((chunk) => [chunk.length, chunk[0]])).toEqual(
      [0, 1, 0, 1, 0, 1].map((n) => [300_000, n + 1]),
    );
    const part = await client.getBuffer('/v1/images/Büro 1/index', { range: { first: 6, last: 8 } });
    expect(part.toString()).toBe('byt');
    await expect(
      client.getBuffer('/v1/images/Büro 1/index', { range: { first: 600, last: 800 } }),
    ).rejects.toThrow('not within 11 bytes');
  });

  it('answers 401 without a valid token', async () => {
    const stranger = connect({ token: '0'.repeat(64) });
    await expect(stranger.getBuffer('/v1/images/Büro 1/index')).rejects.toMatchObject({ code: 'untrusted' });
    const upload = stranger.openUpload('/v1/uploads/job-1');
    const sending = (async () => {
      for (let i = 0; i < 1000; i += 1) await upload.write(Buffer.alloc(100_000));
      await upload.close();
    })();
    await expect(sending).rejects.toMatchObject({ code: 'untrusted' });
    expect(received).toEqual([]);
    stranger.close();
  });

  it('answers 404 in one line for what is not there', async () => {
    for (const path of [
      '/v1/images/other/index',
      '/v1/images/Büro 1/chunks/2',
      '/',
      '/v1/images/Büro 1/secret',
    ]) {
      const error = await client.getBuffer(path).catch((caught) => caught);
      expect(error).toMatchObject({ code: 'not-found' });
      expect(error.message).not.toContain('\n');
    }
  });

  it('is not read by a client that pinned another certificate', async () => {
    const wrong = connect({ certificateSha256: 'ab'.repeat(32) });
    await expect(wrong.getBuffer('/v1/images/Büro 1/index')).rejects.toMatchObject({ code: 'untrusted' });
    const upload = wrong.openUpload('/v1/uploads/job-1');
    await expect(upload.write(Buffer.alloc(10)).then(() => upload.close())).rejects.toMatchObject({
      code: 'untrusted',
    });
    expect(received).toEqual([]);
  });

  it('bounds what a client takes', async () => {
    await expect(client.getBuffer('/v1/images/Büro 1/chunks/0', { bytesMax: 1000 })).rejects.toMatchObject({
      code: 'invalid',
    });
  });

  it('gives up a token two minutes after its connection ended', () => {
    let nowMs = 0;
    const owned = new ServiceTokens({ nowMs: () => nowMs });
    const given = owned.issue({ computerId: 'c', connectionId: 7 });
    owned.retire(given);
    nowMs = 119_000;
    expect(owned.find(given)).toEqual({ computerId: 'c', connectionId: 7 });
    nowMs = 121_000;
    expect(owned.find(given)).toBeUndefined();
  });
});

describe('routes', () => {
  it('never name anything outside the image store', () => {
    for (const path of [
      '/v1/images/../identity/manifest',
      '/v1/images/%2e%2e/manifest',
      '/v1/images/..%2f..%2fetc%2fpasswd/manifest',
      '/v1/images/a%2fb/manifest',
      '/v1/images/a%00b/manifest',
      '/v1/images/.hidden/manifest',
      '/v1/images/%ff/manifest',
      '/v1/images/a/chunks/-1',
      '/v1/images/a/chunks/1e3',
      '/v1/images/a/chunks/01',
      '/v1/images//manifest',
      '//v1/images/a/manifest',
    ]) {
      expect(parseRoute('GET', path), path).toBeUndefined();
    }
    expect(parseRoute('PUT', '/v1/uploads/../x')).toBeUndefined();
    expect(parseRoute('GET', '/v1/uploads/job-1')).toBeUndefined();
    expect(parseRoute('PUT', '/v1/uploads/job-1')).toEqual({ kind: 'upload', jobId: 'job-1' });
  });

  it('of any text are refused or name a safe image', () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom('v1', 'images', 'uploads', 'jobs', 'files', '..', '.', 'chunks', 'index', '%2f'),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'PUT', 'DELETE'),
        fc.array(part, { maxLength: 8 }),
        (method, parts) => {
          const route = parseRoute(method, `/${parts.join('/')}`);
          if (route === undefined) return;
          const name = 'image' in route ? route.image : route.jobId;
          expect(name).not.toMatch(/[/\\\0]|\.\./);
          expect(name.startsWith('.')).toBe(false);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('uploads', () => {
  it('arrive byte for byte and end with finish', async () => {
    const upload = client.openUpload('/v1/uploads/job-1');
    const sent = Buffer.concat(Array.from({ length: 40 }, (_, i) => Buffer.alloc(100_003, i)));
    for (let at = 0; at < sent.length; at += 70_001) await upload.write(sent.subarray(at, at + 70_001));
    await upload.sync();
    await upload.close();
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(ended).toEqual(['finish']);
  });

  it('wait for a slow receiver instead of filling memory', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    receiver.write = async (bytes) => {
      received.push(bytes);
      await gate;
    };
    const upload = client.openUpload('/v1/uploads/job-1');
    let accepted = 0;
    const sending = (async () => {
      for (; accepted < 400; accepted += 1) await upload.write(Buffer.alloc(100_000));
      await upload.close();
    })();
    // Longer than an idle sender would be waited for: a slow disk of the console is not the sender's fault.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(received).toHaveLength(1);
    expect(accepted).toBeLessThan(390);
    release();
    await sending;
    expect(Buffer.concat(received).length).toBe(40_000_000);
  });

  it('that break off are aborted, never finished', async () => {
    const upload = client.openUpload('/v1/uploads/job-1');
    await upload.write(Buffer.alloc(50_000));
    await until(() => received.length > 0);
    await upload.abort();
    await until(() => ended.length > 0);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toContain('abort');
    await expect(upload.write(Buffer.alloc(1))).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('that fall silent are aborted', async () => {
    const upload = client.openUpload('/v1/uploads/job-1');
    await upload.write(Buffer.alloc(50_000));
    await until(() => ended.length > 0);
    expect(ended).toEqual(['abort: nothing came for 1 s']);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(upload.write(Buffer.alloc(1))).rejects.toThrow('nothing came');
  });

  it('stop with the reason when the console cannot write them', async () => {
    receiver.write = async (bytes) => {
      received.push(bytes);
      if (received.length > 5) throw new TdError('no-space', 'Cannot store "a": the disk is full');
    };
    const upload = client.openUpload('/v1/uploads/job-1');
    const sending = (async () => {
      for (let i = 0; i < 1000; i += 1) await upload.write(Buffer.alloc(100_000));
      await upload.close();
    })();
    const error = await sending.catch((caught) => caught);
    expect(error).toMatchObject({ code: 'no-space' });
    expect(error.message).toContain('the disk is full');
    expect(ended).toEqual(['abort: Cannot store "a": the disk is full']);
  });

  it('that turn out wrong at the end fail with the reason', async () => {
    receiver.finish = async () => {
      throw new TdError('damaged', 'the image is not complete');
    };
    const upload = client.openUpload('/v1/uploads/job-1');
    await upload.write(Buffer.alloc(10));
    await expect(upload.close()).rejects.toMatchObject({ code: 'damaged' });
  });

  it('for an unknown job are refused', async () => {
    const upload = client.openUpload('/v1/uploads/job-2');
    await expect(upload.write(Buffer.alloc(10)).then(() => upload.close())).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('end when the console goes away', async () => {
    const upload = client.openUpload('/v1/uploads/job-1');
    await upload.write(Buffer.alloc(50_000));
    await until(() => received.length > 0);
    await service.close();
    const sending = (async () => {
      for (let i = 0; i < 1000; i += 1) await upload.write(Buffer.alloc(100_000));
    })();
    await expect(sending).rejects.toMatchObject({ code: 'network' });
    await until(() => ended.length > 0);
    expect(ended[0]).toContain('abort');
  });
});
