import { z } from 'zod';
import { browseFolder } from '../browse.ts';
import { checked } from '../checked-params.ts';
import { listLocalDevices } from '../local-devices.ts';
import type { RpcMethods } from '../rpc-server.ts';
import type { Storages } from '../storages.ts';

const line = (max: number) => z.string().max(max);
const newStorage = z.strictObject({
  kind: z.enum(['folder', 'usb', 'smb', 'nfs']),
  source: line(4096).min(1),
  user: line(256).exactOptional(),
  password: line(256).exactOptional(),
  domain: line(256).exactOptional(),
  makeDefault: z.boolean().exactOptional(),
});
const placeId = z.strictObject({ id: line(100) });
const browseParams = z.strictObject({ path: line(4096), suffix: line(20).exactOptional() });

/** Places for images, and the folders of the console's computer. */
export function storageMethods({ storages }: { storages: Storages }): RpcMethods {
  return {
    'storage.list': async () => storages.list(),
    'storage.add': async ({ params }) => storages.add(checked(newStorage, params)),
    'storage.remove': async ({ params }) => storages.remove(checked(placeId, params).id),
    'storage.default': async ({ params }) => storages.setDefault(checked(placeId, params).id),
    'storage.devices': async () => listLocalDevices(),
    browse: async ({ params }) => {
      const { path, suffix } = checked(browseParams, params);
      const folder = await browseFolder(path, suffix === undefined ? {} : { suffix });
      return { ...folder, places: storages.readyFolders() };
    },
  };
}
