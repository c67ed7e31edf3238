import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { checked } from '../checked-params.ts';
import type { Licences } from '../licences.ts';
import type { RpcMethods } from '../rpc-server.ts';

const loadParams = z.strictObject({
  path: z.string().min(1).max(4096).refine(isAbsolute, 'must begin with /'),
});
const substituteParams = z.strictObject({ substitute: z.enum(['auto', 'ask']) });

/** The calls `licences`, `licences.load` and `licences.substitute`. */
export function licenceMethods({ licences }: { licences: Licences }): RpcMethods {
  return {
    licences: async () => licences.status(),
    'licences.load': async ({ params }) => licences.load(checked(loadParams, params).path),
    'licences.substitute': async ({ params }) =>
      licences.setSubstitute(checked(substituteParams, params).substitute),
  };
}
