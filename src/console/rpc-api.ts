import { TdError } from '../lib/errors.ts';
import type { ConsoleApi } from './console-api.ts';
import { connectConsole, type RpcClient } from './rpc-client.ts';

/**
 * The calls of a console in another process, over its Unix socket. A connection that broke is made anew by the
 * next call, so that faces survive a restart of the console.
 */
export function rpcApi(socketPath: string): ConsoleApi & AsyncDisposable {
  let shared: Promise<RpcClient> | undefined;
  const connection = (): Promise<RpcClient> => {
    shared ??= connectConsole(socketPath).catch((error: unknown) => {
      shared = undefined;
      throw error;
    });
    return shared;
  };
  const call: ConsoleApi['call'] = async (name, params, options = {}) => {
    const onEvent = options.onEvent as ((event: unknown) => void) | undefined;
    if (options.signal !== undefined) {
      const { signal } = options;
      return (await abortableCall(socketPath, { name, params, onEvent, signal })) as never;
    }
    try {
      return (await (await connection()).call(name, params, onEvent)) as never;
    } catch (error) {
      if (error instanceof TdError && error.code === 'network') shared = undefined;
      throw error;
    }
  };
  const close = async () => (await shared?.catch(() => undefined))?.close();
  return { call, [Symbol.asyncDispose]: close };
}

/** The console ends a call when its connection closes, so one that can be aborted has a connection of its own. */
async function abortableCall(
  socketPath: string,
  call: {
    name: string;
    params: object;
    onEvent: ((event: unknown) => void) | undefined;
    signal: AbortSignal;
  },
): Promise<unknown> {
  const { name, params, onEvent, signal } = call;
  await using client = await connectConsole(socketPath);
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) throw signal.reason;
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([client.call(name, params, onEvent), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
