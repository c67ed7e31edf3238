import { availableParallelism } from 'node:os';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { registerAgentCommand } from './agent/agent-command.ts';
import { registerBackupCommand } from './backup/backup-command.ts';
import type { BackupCommandContext } from './backup/backup-command-run.ts';
import type { OpenWizardOptions } from './backup/wizard/backup-wizard.ts';
import { terminalConsoleContext } from './console/commands/console-command-context.ts';
import { registerHiveCommands } from './console/commands/hive-commands.ts';
import { registerImageCommands } from './console/commands/image-commands.ts';
import { registerConsoleCommands } from './console/console-commands.ts';
import { errorLine, TdError } from './lib/errors.ts';
import { PROGRAM_VERSION } from './lib/version.ts';
import type { BackupRequest, BackupWizard, PreosRoles, RoleContext } from './preos/role.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_PARTIAL = 3;

/** Where a console that was booted from a medium keeps its data: in memory, beside images on mounted disks. */
const PREOS_DATA_DIR = '/var/lib/totaldeploy';

/** Only names and options are loaded here: what a command runs is imported when it runs. */
function buildProgram(signal: AbortSignal): Command {
  const program = new Command('totaldeploy')
    .description('Capture the disk of a master computer and deploy it to many targets at once.')
    .version(PROGRAM_VERSION)
    .exitOverride()
    .showHelpAfterError('Run "totaldeploy --help" to see the commands.')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong use, 3 partly done (some targets failed).',
    );
  const openLogger = async () =>
    (await import('./lib/log.ts')).openLog({ level: process.env.TOTALDEPLOY_DEBUG ? 'debug' : 'warn' });
  registerConsoleCommands(program, terminalConsoleContext(signal));
  registerImageCommands(program, async () =>
    (await import('./console/commands/image-command-context.ts')).terminalContext(signal),
  );
  registerHiveCommands(program);
  registerBackupCommand(program, { openLogger, signal, runWizard: backupWizardRunner(signal) });
  registerAgentCommand(program, { openLogger, signal });
  program
    .command('preos', { hidden: true })
    .description('Be the only program of the Pre-OS: read the boot parameters and run what they say.')
    .action(async () =>
      (await import('./preos/preos-main.ts')).runPreos({
        version: PROGRAM_VERSION,
        roles: PREOS_ROLES,
        signal,
      }),
    );
  program
    .command('boot-parameters')
    .description('Print the table of boot parameters (td.*).')
    .action(async () => {
      const { markdownTable } = await import('./schema/boot-params.ts');
      process.stdout.write(`${markdownTable().trimEnd()}\n`);
    });
  return program;
}

const PREOS_ROLES: PreosRoles = {
  agent: runAgentRole,
  backup: runBackupRole,
  console: runConsoleRole,
  openBackupWizard,
};

async function openBackupWizard(
  options: Omit<OpenWizardOptions, 'listFolder' | 'suggestedPartitions'>,
): Promise<BackupWizard> {
  const [wizard, { browseFolder }, { suggestedPartitions }] = await Promise.all([
    import('./backup/wizard/backup-wizard.ts'),
    import('./console/browse.ts'),
    import('./console/image-details.ts'),
  ]);
  return wizard.openBackupWizard({ ...options, listFolder: browseFolder, suggestedPartitions });
}

/** `totaldeploy backup` without a destination, on a terminal. */
function backupWizardRunner(signal: AbortSignal): BackupCommandContext['runWizard'] {
  if (!isatty(0) || !isatty(1)) return undefined;
  return async ({ disk, name, console }, site) => {
    const terminal = { input: process.stdin, output: process.stdout, term: process.env.TERM ?? '' };
    const [{ runBackupTerminal }, { silentLog }] = await Promise.all([
      import('./backup/wizard/backup-terminal.ts'),
      import('./lib/log.ts'),
    ]);
    // Nothing but the screens may be written to the terminal.
    const common = { signal, logger: silentLog };
    await using wizard = await openBackupWizard({
      ...common,
      site,
      params: { ...(console === undefined ? {} : { console }), ...(name === undefined ? {} : { name }) },
      given: disk === undefined ? {} : { disk },
      canPower: false,
    });
    await runBackupTerminal({ ...terminal, ...common, wizard, ...(site === undefined ? {} : { site }) });
  };
}

async function runAgentRole(context: RoleContext): Promise<void> {
  const { params, site, screen, logger, signal, power } = context;
  const [{ runAgent }, { OffersScreen }] = await Promise.all([
    import('./agent/agent-role.ts'),
    import('./agent/offers-screen.ts'),
  ]);
  const offersScreen = new OffersScreen(screen);
  await runAgent({
    ...(params.console === undefined ? {} : { console: params.console }),
    ...(site === undefined ? {} : { site }),
    ...(params.disk === undefined ? {} : { diskRule: params.disk }),
    ...(params.after === undefined ? {} : { after: params.after }),
    screen: offersScreen,
    onOffers: offersScreen.take,
    logger,
    signal,
    power,
  });
}

async function runBackupRole(context: RoleContext, request: BackupRequest): Promise<string[]> {
  const { params, site, screen, logger, signal } = context;
  const { runBackupRequest } = await import('./backup/backup-request.ts');
  return runBackupRequest(
    {
      ...(params.partitions === undefined ? {} : { partitions: params.partitions }),
      ...(params.name === undefined ? {} : { name: params.name }),
      ...(params.level === undefined ? {} : { level: params.level }),
      ...(params.console === undefined ? {} : { console: params.console }),
      ...request,
    },
    { ...(site === undefined ? {} : { site }), screen, logger, signal },
  );
}

async function runConsoleRole({ screen, logger, signal, useScreens, network }: RoleContext): Promise<void> {
  const { runConsole } = await import('./console/console-role.ts');
  let endScreens = () => {};
  try {
    await runConsole({
      ...{ dataDir: PREOS_DATA_DIR, screen, logger, signal, hostNetwork: network },
      onReady: (_status, api) => {
        endScreens = useScreens(async (io) => {
          const { runConsoleTui } = await import('./console/tui/console-tui.ts');
          const leaveText = "Open this computer's menu (network, shell, restart)? The console goes on.";
          await runConsoleTui({ api, ...io, leaveText });
        });
      },
    });
  } finally {
    endScreens();
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof TdError) {
    if (error.code === 'usage') return EXIT_USAGE;
    if (error.code === 'partial') return EXIT_PARTIAL;
  }
  return EXIT_FAILED;
}

/** `totaldeploy log | head` is no failure. */
function endWhereNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

async function main(): Promise<void> {
  // libuv reads it at its pool's first use: compression runs there and its default is four threads.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new TdError('cancelled', `Stopped by ${name}`)));
  }
  process.stdout.on('error', endWhereNobodyReads);
  try {
    await buildProgram(stop.signal).parseAsync(process.argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) process.stderr.write(`totaldeploy: ${errorLine(error)}\n`);
  }
}

void main();
