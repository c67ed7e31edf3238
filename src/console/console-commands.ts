import { type Command, InvalidArgumentError } from 'commander';
import { AFTER_ACTIONS, type AfterAction } from '../schema/after-action.ts';
import { type NewCommand, numberIn } from './commands/command-options.ts';
import type { ConsoleCommandContext } from './commands/console-command-context.ts';
import type { ExportFlags } from './commands/export-command.ts';
import { registerReportCommands } from './commands/report-commands.ts';
import type { StartFlags } from './commands/start-command.ts';

interface DeployOptions {
  data: string;
  image: string;
  targets: 'all' | string[];
  waitFor: number;
  timeout: number;
  disk: string;
  after: AfterAction;
  rate: number;
  allOrNothing?: true;
  lostWait: number;
  json?: true;
}

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
  registerLists(command, context);
  registerDeploy(command, context);
  registerExport(command, context);
  registerReportCommands(command, context);
}

function registerStart(command: NewCommand, context: ConsoleCommandContext): void {
  command(
    'console',
    'Run the console: computers connect to it, commands talk to it.',
    'console --interface eth0',
  )
    .option('--headless', 'without a screen of its own (the only way for now)')
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

function registerLists(command: NewCommand, context: ConsoleCommandContext): void {
  command('computers', 'List the computers that are connected.', 'computers')
    .option('--json', 'print JSON')
    .action(async (flags: { data: string; json?: true }) =>
      (await import('./commands/list-commands.ts')).runComputers(flags, context),
    );
  command('images', 'List the images that can be deployed.', 'images')
    .option('--json', 'print JSON')
    .action(async (flags: { data: string; json?: true }) =>
      (await import('./commands/list-commands.ts')).runImages(flags, context),
    );
}

function registerDeploy(command: NewCommand, context: ConsoleCommandContext): void {
  const days = numberIn(0, 7 * 24 * 3600);
  command(
    'deploy',
    'Write an image to computers that are connected; exit code 3 when some of them failed.',
    'deploy --image office --wait-for 20 --after restart',
  )
    .requiredOption('--image <name>', 'the image, as "totaldeploy images" lists it')
    .option('--targets <list>', 'all, or MAC addresses with commas', parseTargets, 'all')
    .option('--wait-for <count>', 'start when so many computers are connected', numberIn(0, 2000), 0)
    .option('--timeout <seconds>', 'start with those that are there after this long', days, 600)
    .option('--disk <rule>', 'target disk: auto, sda, serial=…, size>=100G, smallest …', 'auto')
    .option('--after <action>', AFTER_ACTIONS.join(', '), parseAfter, 'shutdown')
    .option('--rate <mbit>', 'the most that is sent, in Mbit/s; 0 finds it', numberIn(0, 100_000), 0)
    .option('--all-or-nothing', 'write nothing when one computer cannot')
    .option('--lost-wait <seconds>', 'how long a lost computer may take to come back', days, 90)
    .option('--json', 'print the report as JSON')
    .action(async (options: DeployOptions) => {
      const request = {
        image: options.image,
        targets: options.targets,
        waitFor: options.waitFor,
        waitSeconds: options.timeout,
        diskRule: options.disk,
        after: options.after,
        rateMbit: options.rate,
        allOrNothing: options.allOrNothing === true,
        lostWaitSeconds: options.lostWait,
      };
      const json = options.json === undefined ? {} : { json: options.json };
      const { runDeploy } = await import('./commands/deploy-command.ts');
      return runDeploy({ data: options.data, request, ...json }, context);
    });
}

function registerExport(command: NewCommand, context: ConsoleCommandContext): void {
  command('export', 'Write boot media that trust this console.', 'export agent-iso agent.iso')
    .argument('<kind>', 'pxe, backup-iso, agent-iso, console-iso or usb')
    .argument('<dest>', 'a new folder (pxe) or file')
    .option('--console <host[:port]>', 'fixed address of this console; default it is searched for')
    .option('--media <dir>', 'the boot files; default beside the program')
    .option('--mode <mode>', 'what the boot menu starts by itself: menu, agent, backup or console')
    .option('--timeout <seconds>', "the boot menu's waiting time, or none")
    .option('--param <td.name=value...>', 'boot parameters that are always set')
    .option('--server <address>', "pxe only: the TFTP server's address")
    .action(async (kind: string, dest: string, flags: ExportFlags) =>
      (await import('./commands/export-command.ts')).runExport(kind, dest, { flags, context }),
    );
}

function parseTargets(text: string): 'all' | string[] {
  if (text === 'all') return 'all';
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Write all, or MAC addresses with commas.');
  return names;
}

function parseAfter(text: string): AfterAction {
  const found = AFTER_ACTIONS.find((action) => action === text);
  if (found === undefined) throw new InvalidArgumentError(`Use ${AFTER_ACTIONS.join(', ')}.`);
  return found;
}
