import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ImageCommandContext } from './image-command-context.ts';

/** Adds `image info`, `image check` and `image restore` to the program. */
export function registerImageCommands(
  program: Command,
  openContext: () => Promise<ImageCommandContext>,
): void {
  const image = program.command('image').description('Look at, check and restore image files (.sco).');
  image
    .command('info')
    .description('Show what an image holds: disks, partitions, sizes.')
    .argument('<file>', 'the image')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  totaldeploy image info office.sco')
    .action(async (file: string, options: { json?: true }) => {
      const { runImageInfo } = await import('./image-info.ts');
      return runImageInfo(file, { json: options.json === true, context: await openContext() });
    });
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
    .action(async (file: string, options: { quick?: true; json?: true }) => {
      const { runImageCheck } = await import('./image-check.ts');
      return runImageCheck(file, {
        quick: options.quick === true,
        json: options.json === true,
        context: await openContext(),
      });
    });
  image
    .command('restore')
    .description('Write an image to a disk of this computer, or to a new file. The disk is overwritten.')
    .argument('<file>', 'the image')
    .argument('<device>', 'the disk, for example /dev/sdb; or a file that does not exist yet')
    .addOption(
      new Option('--disk <number>', 'which disk of the image, counted from 1')
        .argParser(parseDisk)
        .default(0, '1'),
    )
    .option('--yes', 'do not ask')
    .option('--verify', 'read everything back and compare')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  totaldeploy image restore office.sco /dev/sdb --verify')
    .action(async (file: string, device: string, options: RestoreFlags) => {
      const { runImageRestore } = await import('./image-restore.ts');
      return runImageRestore(file, {
        device,
        disk: options.disk,
        yes: options.yes === true,
        verify: options.verify === true,
        json: options.json === true,
        context: await openContext(),
      });
    });
}

interface RestoreFlags {
  disk: number;
  yes?: true;
  verify?: true;
  json?: true;
}

/** The disk's place from 0. */
function parseDisk(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('Give a number such as 1.');
  return Number(text) - 1;
}
