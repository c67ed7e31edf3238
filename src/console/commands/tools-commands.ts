import { Option } from 'commander';
import { type NewCommand, numberIn } from './command-options.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import type { ExportFlags } from './export-command.ts';
import type { SettingsFlags } from './settings-command.ts';
import type { StorageFlags } from './storage-command.ts';

/** Adds `export`, `usb`, `storage` and `settings`; what they run is imported when it runs. */
export function registerToolsCommands(command: NewCommand, context: ConsoleCommandContext): void {
  command('export', 'Write boot media that trust this console.', 'export agent-iso agent.iso')
    .argument('<kind>', 'pxe, backup-iso, agent-iso, console-iso or usb')
    .argument('<dest>', "a new folder (pxe) or file; for usb also a stick's device such as /dev/sdb")
    .option('--console <host[:port]>', 'fixed address of this console; default it is searched for')
    .option('--media <dir>', 'the boot files; default those this computer was started from')
    .option('--mode <mode>', 'what the boot menu starts by itself: menu, agent, backup or console')
    .option('--timeout <seconds>', "the boot menu's waiting time, or none")
    .option('--param <td.name=value...>', 'boot parameters that are always set')
    .option('--server <address>', "pxe only: the TFTP server's address")
    .option('--confirm-size <bytes>', "a stick's size, where nobody can be asked to type it")
    .option('--json', 'print JSON')
    .action(async (kind: string, dest: string, flags: ExportFlags) =>
      (await import('./export-command.ts')).runExport(kind, dest, { flags, context }),
    );
  command('usb', 'List the USB sticks that boot media can be written to.', 'usb')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: true }) => (await import('./export-command.ts')).runUsb(flags, context));
  command(
    'storage',
    'Places for images: folders, USB disks, SMB and NFS shares.',
    'storage add //nas/images --user ann --password-file - --make-default',
  )
    .argument('[words...]', 'list, add SOURCE, remove NAME or default NAME')
    .option('--user <name>', 'of an SMB share; default a guest')
    .option('--domain <name>', 'of the user')
    .option('--password-file <file>', 'its first line is the password; - reads standard input')
    .option('--make-default', 'captures go there from now on')
    .option('--json', 'print JSON')
    .action(async (words: string[], flags: StorageFlags) =>
      (await import('./storage-command.ts')).runStorage(words, { flags, context }),
    );
  command('settings', 'Show and change what the console is set to.', 'settings --web on --web-port 5080')
    .option('--templates <dir>', 'folder of the templates; empty for the one in the data directory')
    .option('--interface <name>', "the console's network interface from the next start; empty chooses it")
    .option('--address <setting>', 'in the Pre-OS: dhcp, or ADDRESS/LENGTH[,GATEWAY[,DNS]]')
    .option(
      '--pin-file <file>',
      'its first line is the PIN people at targets type; an empty line takes it away',
    )
    .addOption(new Option('--web <state>', 'the page for browsers').choices(['on', 'off']))
    .option('--web-port <number>', 'its TCP port', numberIn(1, 65_535))
    .option(
      '--web-password-file <file>',
      'its first line is the password to sign in; an empty line takes it away',
    )
    .option('--json', 'print JSON')
    .action(async (flags: SettingsFlags) =>
      (await import('./settings-command.ts')).runSettings(flags, context),
    );
}
