import type { Command } from 'commander';
import type { NewCommand } from './commands/command-options.ts';
import type { ConsoleCommandContext } from './commands/console-command-context.ts';
import type { CustomiseFlags } from './commands/customise-command.ts';
import { registerDeploy } from './commands/deploy-options.ts';
import { registerReportCommands } from './commands/report-commands.ts';
import type { StartFlags } from './commands/start-command.ts';
import { registerTemplateCommands } from './commands/template-commands.ts';
import { registerToolsCommands } from './commands/tools-commands.ts';

/**
 * Adds the console's commands to the program. Here are only their names and options: what a command runs is
 * imported when it runs, so that `totaldeploy --help` does not load the whole program.
 */
export function registerConsoleCommands(program: Command, context: ConsoleCommandContext): void {
  const command = (name: string, description: string, example: string) =>
    program
      .command(name)
      .description(description)
      .option('--data <dir>', "the console's data directory", context.defaultDataDir)
      .addHelpText('after', `\nExample:\n  totaldeploy ${example}`);
  registerStart(command, context);
  registerTui(command, context);
  registerLists(command, context);
  registerDeploy(command, context);
  registerToolsCommands(command, context);
  registerCustomise(command, context);
  registerReportCommands(command, context);
  registerTemplateCommands(program, context);
}

function registerStart(command: NewCommand, context: ConsoleCommandContext): void {
  command(
    'console',
    'Run the console: computers connect to it, commands talk to it.',
    'console --interface eth0',
  )
    .option('--headless', 'without screens; also when it is not started on a terminal')
    .option('--images <dir>', 'where images are kept; default "images" in the data directory')
    .option('--interface <name>', 'network interface; default the one with a default route')
    .option('--name <text>', 'how this console is called; default the host name')
    .option('--ports <list>', 'other ports, e.g. control=5001,discovery=5002,service=5003,data=5004')
    .option('--accept-unknown', 'let in computers whose medium was not exported by a console')
    .option('--debug', 'log everything')
    .action(async (flags: StartFlags) =>
      (await import('./commands/start-command.ts')).runStart(flags, context),
    );
}

function registerCustomise(command: NewCommand, context: ConsoleCommandContext): void {
  command(
    'customise',
    'Change a mounted, stopped system as a deployment would; exit code 3 when some changes failed.',
    'customise --root /mnt --template lab.json --for 52:54:00:12:34:56 --dry-run',
  )
    .requiredOption('--root <dir>', 'where the root of the system is mounted')
    .requiredOption('--template <file>', 'the template file')
    .requiredOption('--for <mac>', 'the computer that it will start on')
    .option('--password-file <file>', 'first line: the password for the domain; - reads standard input')
    .option('--dry-run', 'print what would be changed')
    .option('--json', 'print JSON')
    .action(async (flags: CustomiseFlags) =>
      (await import('./commands/customise-command.ts')).runCustomise(flags, context),
    );
}

function registerTui(command: NewCommand, context: ConsoleCommandContext): void {
  command(
    'tui',
    'Show the screens of the console that runs on this computer; leaving them does not stop it.',
    'tui',
  ).action(async (flags: { data: string }) =>
    (await import('./commands/tui-command.ts')).runTuiCommand(flags, context),
  );
}

function registerLists(command: NewCommand, context: ConsoleCommandContext): void {
  command('computers', 'List the computers that are connected.', 'computers')
    .option('--known', 'those that were connected once and are not now')
    .option('--json', 'print JSON')
    .action(async (flags: { data: string; known?: true; json?: true }) =>
      (await import('./commands/list-commands.ts')).runComputers(flags, context),
    );
  command('images', 'List the images that can be deployed.', 'images')
    .option('--json', 'print JSON')
    .action(async (flags: { data: string; json?: true }) =>
      (await import('./commands/list-commands.ts')).runImages(flags, context),
    );
}
