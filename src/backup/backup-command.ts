import type { Command } from 'commander';
import type { BackupCommandContext, BackupFlags } from './backup-command-run.ts';

/** Adds `totaldeploy backup`: takes an image of a disk of this computer. */
export function registerBackupCommand(program: Command, context: BackupCommandContext): void {
  program
    .command('backup')
    .description(
      'Take an image of a disk and store it at a console or in a file. Without --to a wizard asks for everything.',
    )
    .option('--to <DESTINATION>', 'console:NAME, or a path such as /mnt/usb/NAME.sco')
    .option('--disk <RULE>', 'the disk: sda, only, first, serial=…, or a path; default only')
    .option('--partitions <LIST>', 'partition numbers such as 1,3-5; default all')
    .option('--name <NAME>', 'the name written into the image; default as in --to')
    .option('--comment <TEXT>', 'a comment written into the image')
    .option('--level <N>', 'compression level 1 (fast) to 19 (small)', '3')
    .option('--console <HOST[:PORT]>', 'the console; found on the network when missing')
    .option('--site <FILE>', 'site file of the console, as exported with its media')
    .option('--force', 'also take filesystems that are in use or were not unmounted cleanly')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample: totaldeploy backup --disk sda --to /mnt/usb/lab-pc.sco')
    .action(async (flags: BackupFlags) =>
      (await import('./backup-command-run.ts')).runBackupCommand(flags, context),
    );
}
