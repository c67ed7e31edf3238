import { z } from 'zod';
import { run } from '../lib/spawn.ts';

const PROGRAM_MS_MAX = 60_000;
/** Nothing else on this computer is looked at: another disk may hold a group of the same name. */
const only = (devices: readonly string[]) => ['--devices', devices.join(',')];
/** No udev runs in the Pre-OS: nodes are made by lvm itself. */
const OPTIONS = { timeoutMs: PROGRAM_MS_MAX, env: { DM_DISABLE_UDEV: '1' } };

const listSchema = z.object({
  report: z
    .array(z.object({ lv: z.array(z.object({ lv_path: z.string(), lv_dm_path: z.string() })) }))
    .min(1),
});

export interface LogicalVolumes extends AsyncDisposable {
  volumes: { device: string; paths: string[]; type: string; uuid: string; label: string }[];
}

/**
 * Switches the logical volumes on whose physical ones these devices are.
 *
 * @throws TdError `tool-failed` when a part of their group is missing; `not-found` without LVM.
 */
export async function activateVolumes(
  devices: readonly string[],
  signal: AbortSignal,
): Promise<LogicalVolumes> {
  const deactivate = async () => {
    await run('lvm', ['vgchange', ...only(devices), '--activate', 'n'], OPTIONS);
  };
  try {
    await run('lvm', ['vgchange', ...only(devices), '--activate', 'y'], { ...OPTIONS, signal });
    const columns = ['--reportformat', 'json', '--options', 'lv_path,lv_dm_path'];
    const { stdout } = await run('lvm', ['lvs', ...only(devices), ...columns], { ...OPTIONS, signal });
    const found = listSchema.parse(JSON.parse(stdout)).report.flatMap(({ lv }) => lv);
    const volumes = found.filter(({ lv_dm_path }) => lv_dm_path !== '').map(describeVolume);
    return { volumes: await Promise.all(volumes), [Symbol.asyncDispose]: deactivate };
  } catch (error) {
    await deactivate().catch(() => {});
    throw error;
  }
}

async function describeVolume({ lv_path, lv_dm_path }: { lv_path: string; lv_dm_path: string }) {
  const args = ['-p', '-o', 'export', lv_dm_path];
  const { stdout } = await run('blkid', args, { okCodes: [0, 2, 4, 8], timeoutMs: PROGRAM_MS_MAX });
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  const names = { type: value('TYPE'), uuid: value('UUID'), label: value('LABEL') };
  return { device: lv_dm_path, paths: [lv_dm_path, lv_path], ...names };
}
