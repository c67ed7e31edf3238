import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import type { CheckProgress } from './console-api.ts';
import { rpcApi } from './rpc-api.ts';
import { type RpcMethods, startRpcServer } from './rpc-server.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-rpc-api-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function methods(log: string[]): RpcMethods {
  return {
    images: async () => [],
    'image.check': ({ emit, signal }) => {
      emit({ doneBytes: 1, totalBytes: 2, damagedChunks: 0 });
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          log.push('the console stopped');
          reject(signal.reason);
        });
      });
    },
  };
}

describe('a console in another process', () => {
  it('is found again after it was restarted', async () => {
    const path = join(dir, 'console.sock');
    await using api = rpcApi(path);
    await expect(api.call('images', {})).rejects.toMatchObject({ code: 'not-found' });
    const server = await startRpcServer(path, { methods: methods([]), logger: silentLog });
    expect(await api.call('images', {})).toEqual([]);
    await server.close();
    await expect(api.call('images', {})).rejects.toThrow();
    await using _again = await startRpcServer(path, { methods: methods([]), logger: silentLog });
    expect(await api.call('images', {})).toEqual([]);
  });

  it('stops a call that is aborted, and tells its progress before', async () => {
    const path = join(dir, 'console.sock');
    const log: string[] = [];
    await using _server = await startRpcServer(path, { methods: methods(log), logger: silentLog });
    await using api = rpcApi(path);
    const stop = new AbortController();
    const seen = Promise.withResolvers<CheckProgress>();
    const checked = api.call('image.check', { image: 'a' }, { onEvent: seen.resolve, signal: stop.signal });
    checked.catch(() => {});
    expect(await seen.promise).toMatchObject({ doneBytes: 1 });
    stop.abort(new Error('enough'));
    await expect(checked).rejects.toThrow('enough');
    for (let i = 0; i < 100 && log.length === 0; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(log).toEqual(['the console stopped']);
  });
});
