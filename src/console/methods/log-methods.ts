import { z } from 'zod';
import { checked } from '../checked-params.ts';
import type { RpcMethods } from '../rpc-server.ts';
import type { ConsoleStore } from '../store.ts';

const logFilterSchema = z.strictObject({
  jobId: z.string().max(40).exactOptional(),
  computer: z.string().min(1).max(300).exactOptional(),
  level: z.enum(['info', 'warn', 'error']).exactOptional(),
  text: z.string().max(500).exactOptional(),
  afterId: z.number().int().min(0).exactOptional(),
  limit: z.number().int().min(1).max(10_000).exactOptional(),
});

/** The call `log`. */
export function logMethods({ store }: { store: ConsoleStore }): RpcMethods {
  return { log: async ({ params }) => store.events(checked(logFilterSchema, params)) };
}
