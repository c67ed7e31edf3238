import { TdError } from '../lib/errors.ts';
import type { ConsoleApi } from './console-api.ts';
import type { RpcMethods } from './rpc-server.ts';

/** The console's calls for faces in its own process. */
export function localApi(methods: RpcMethods): ConsoleApi {
  return {
    call: async (name, params, options = {}) => {
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) throw new TdError('usage', `The console knows no "${name}"`);
      const { onEvent, signal = new AbortController().signal } = options;
      const emit = (event: unknown) => onEvent?.(event as never);
      return (await method({ params: params as Record<string, unknown>, emit, signal })) as never;
    },
  };
}
