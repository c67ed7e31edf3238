import { type Command, InvalidArgumentError } from 'commander';
import { runImageCheck } from './image-check.ts';
import type { ImageCommandContext } from './image-command-context.ts';
import { runImageInfo } from './image-info.ts';
import { runImageRestore } from './image-restore.ts';

/** Adds `image info`, `image check` and `image restore` to the program. */
export function registerImageCommands(program: Command, context: ImageCommandContext): void {
  const image = program.command('image').description('Look at, check and restore image files (.sco).');
  image
    .command('info')
    .description('Show what an image holds: disks, partitions, sizes.')
    .argument('<file>', 'the image')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  totaldeploy image info office.sco')
    .action((file: string, options: { json?: true }) =>
      runImageInfo(file, { json: options.json === true, context }),
    );
  image
    .command('check')
    .description('Verify an image: every byte of it, or quickly its structure and a sample of its data.')
    .argument('<file>', 'the image')
    .option('--quick', 'structure and a sample of the data only')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  totaldeploy image check office.sco\n\nExit code 1 when it is damaged.',
    )
    .action((file: string, options: { quick?: true; json?: true }) =>
      runImageCheck(file, { quick: options.quick === true, json: options.json === true, context }),
    );
  image
    .command('restore')
    .description('Write an image to a disk of this computer, or to a new file. The disk is overwritten.')
    .argument('<file>', 'the image')
    .argument('<device>', 'the disk, for example /dev/sdb; or a file that does not exist yet')
    .option('--disk <number>', 'which disk of the image, counted from 0', parseDisk, 0)
    .option('--yes', 'do not ask')
    .option('--verify', 'read everything back and compare')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  totaldeploy image restore office.sco /dev/sdb --verify')
    .action((file: string, device: string, options: RestoreFlags) =>
      runImageRestore(file, {
        device,
        disk: options.disk,
        yes: options.yes === true,
        verify: options.verify === true,
        json: options.json === true,
        context,
      }),
    );
}

interface RestoreFlags {
  disk: number;
  yes?: true;
  verify?: true;
  json?: true;
}

function parseDisk(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('Give a number such as 0.');
  return Number(text);
}
