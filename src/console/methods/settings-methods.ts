import { z } from 'zod';
import { checked } from '../checked-params.ts';
import type { SettingsStore } from '../console-settings.ts';
import type { RpcMethods } from '../rpc-server.ts';

const changeParams = z.strictObject({
  templatesDir: z.string().max(4096).exactOptional(),
  interface: z.string().max(15).exactOptional(),
  address: z.string().max(200).exactOptional(),
  customPin: z.string().max(100).exactOptional(),
  web: z
    .strictObject({
      enabled: z.boolean().exactOptional(),
      port: z.number().int().min(1).max(65_535).exactOptional(),
      password: z.string().max(1000).exactOptional(),
    })
    .exactOptional(),
});

/** What an administrator can set. */
export function settingsMethods({ settings }: { settings: SettingsStore }): RpcMethods {
  return {
    settings: async () => settings.get(),
    'settings.change': async ({ params }) => settings.change(checked(changeParams, params)),
  };
}
