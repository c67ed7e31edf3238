import { askLine, type LineIo } from '../../lib/dialog.ts';
import { formatBytes } from '../../lib/progress.ts';
import type { BackupRequest } from '../../preos/role.ts';
import { bootParamsSchema } from '../../schema/boot-params.ts';
import type { MachineDisk } from '../../schema/machine.ts';
import { pathOf } from './wizard-parts.ts';

/** Asks for what is missing of a backup on a terminal of lines: the disk by number, then the destination. */
export async function askBackupByLines(
  io: LineIo,
  options: { given: Partial<BackupRequest>; problem: string; disks: () => Promise<MachineDisk[]> },
): Promise<BackupRequest | 'left'> {
  if (options.problem !== '') io.tell([`! ${options.problem}`]);
  const disk = options.given.disk ?? (await askDisk(io, options.disks));
  if (disk === 'left') return 'left';
  const to = options.given.to ?? (await askDestination(io));
  return { disk, to };
}

/** One line that tells disks apart: name, size, model, serial, bus. */
function diskLine(disk: MachineDisk): string {
  const parts = [disk.name, formatBytes(disk.sizeBytes), disk.model, disk.serial, disk.bus];
  return parts.filter((part) => part !== '').join('  ');
}

async function askDisk(io: LineIo, listDisks: () => Promise<MachineDisk[]>): Promise<string> {
  let note: string[] = [];
  for (;;) {
    const disks = (await listDisks()).filter((disk) => !disk.bootMedium);
    const list = disks.map((disk, i) => `${i + 1}  ${diskLine(disk)}`);
    const none = 'No disk was found: check its cable and the firmware settings.';
    const text = await io.ask({
      title: 'Which disk is to be backed up?',
      lines: [...(disks.length > 0 ? list : [none]), ...note],
      prompt: disks.length > 0 ? `Number (1-${disks.length}), q to leave:` : 'Enter looks again, q leaves:',
    });
    if (text === 'q') return 'left';
    const disk = /^[0-9]{1,3}$/.test(text) ? disks[Number(text) - 1] : undefined;
    if (disk !== undefined) return pathOf(disk);
    note = text === '' ? [] : [`"${text.slice(0, 40)}" is none of the numbers.`];
  }
}

async function askDestination(io: LineIo): Promise<string> {
  return askLine(io, {
    title: 'Where is the image stored?',
    lines: ['A name, e.g. lab-1: stored at the console.', 'A path, e.g. /mnt/lab-1.sco: stored there.'],
    prompt: 'Name or path:',
    parse: (text) => {
      const to = text.startsWith('/') || text.startsWith('console:') ? text : `console:${text}`;
      const result = bootParamsSchema.shape.to.safeParse(to);
      if (result.success && result.data !== undefined) return { value: result.data };
      return 'use letters, digits, space, dot, dash and underscore, or an absolute path';
    },
  });
}
