import type { Edit } from '../edit.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { configText } from './config-text.ts';
import type { InitramfsTool, LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';

/** Several kernels on a slow disk. */
const REBUILD_TIMEOUT_MS = 30 * 60_000;
const INITRAMFS_TOOLS_SETTING = '/etc/initramfs-tools/conf.d/zz-totaldeploy';
/** What prints the file names in an initramfs. */
const LISTERS: Record<InitramfsTool, string> = {
  'initramfs-tools': 'lsinitramfs',
  dracut: 'lsinitrd',
  mkinitcpio: 'lsinitcpio',
};
/** As Debian, SUSE, and Red Hat and Arch call them. */
const IMAGE = /^(?:initrd\.img-|initrd-|initramfs-)(.+?)(?:\.img)?$/;

/** An initramfs made for the master's controllers alone would not find the disk of other computers. */
export function initramfsEdits({ initramfs }: LinuxFacts, machine: MachineFacts): Edit<LinuxSystem>[] {
  if (!initramfs?.hostOnly) return [];
  const { tool } = initramfs;
  return [
    {
      text: `Make the initramfs anew with the drivers of all disk controllers (${tool})`,
      async apply(system) {
        const { diskModules = [] } = machine;
        if (await isEnough(system, { tool, diskModules })) {
          return `it has those of this computer's disk: ${diskModules.join(', ')}`;
        }
        await rebuild(system, tool);
        return undefined;
      },
    },
  ];
}

/** Whether the initramfs of every kernel has the modules; where that cannot be seen it is made anew. */
async function isEnough(
  { root, runInside }: LinuxSystem,
  { tool, diskModules }: { tool: InitramfsTool; diskModules: readonly string[] },
): Promise<boolean> {
  if (diskModules.length === 0) return false;
  let images = 0;
  for (const name of await root.list('/boot')) {
    const version = IMAGE.exec(name)?.[1];
    const folder = `/lib/modules/${version}`;
    // Copies, and those that rescue or dump, are of no kernel that starts the system.
    if (version === undefined || !(await root.exists(folder))) continue;
    const listed = await runInside(LISTERS[tool], [`/boot/${name}`]).catch(() => undefined);
    if (listed === undefined) return false;
    const there = modulesIn(listed.stdout, await configText(root, `${folder}/modules.builtin`));
    if (!diskModules.every((module) => there.has(module))) return false;
    images += 1;
  }
  return images > 0;
}

function modulesIn(...lists: readonly string[]): Set<string> {
  const found = lists.flatMap((list) => [...list.matchAll(/([^/\s]+)\.ko(?:\.(?:gz|xz|zst))?$/gm)]);
  return new Set(found.map((match) => match[1]!.replaceAll('-', '_')));
}

async function rebuild({ root, runInside }: LinuxSystem, tool: InitramfsTool): Promise<void> {
  const options = { timeoutMs: REBUILD_TIMEOUT_MS };
  if (tool === 'dracut') await runInside('dracut', ['--force', '--regenerate-all', '--no-hostonly'], options);
  else if (tool === 'mkinitcpio') await runInside('mkinitcpio', ['-P', '-S', 'autodetect'], options);
  else {
    await root.write(INITRAMFS_TOOLS_SETTING, 'MODULES=most\n');
    await runInside('update-initramfs', ['-u', '-k', 'all'], options);
  }
}
