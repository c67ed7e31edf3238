import { Option } from 'commander';
import { type NewCommand, numberIn } from './command-options.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import type { LicenceFlags } from './licence-command.ts';
import type { LogFlags } from './log-command.ts';
import type { ReportFlags } from './report-command.ts';

/** Adds `log`, `report` and `licence`; what it runs is imported when it runs. */
export function registerReportCommands(command: NewCommand, context: ConsoleCommandContext): void {
  command('log', 'Show what happened, oldest first.', 'log --computer 52:54:00:12:00:07 --level warn')
    .option('--job <id>', 'only this job')
    .option('--computer <name>', 'only this computer, by name, MAC address or id')
    .addOption(new Option('--level <level>', 'at least this level').choices(['info', 'warn', 'error']))
    .option('--grep <text>', 'only lines with this text, upper and lower case alike')
    .option('--lines <count>', 'the newest so many', numberIn(1, 500_000), 1000)
    .option('--follow', 'go on with what happens, until Ctrl-C')
    .option('--json', 'print JSON; with --follow one object a line')
    .action(async (flags: LogFlags) => (await import('./log-command.ts')).runLog(flags, context));
  command(
    'report',
    'Show what became of one job, running or ended.',
    'report 20260131-142530-1f3a --format html --out lab.html',
  )
    .argument('<job>', 'its number, as "totaldeploy log" shows it')
    .addOption(new Option('--format <format>', 'how').choices(['text', 'json', 'html']).default('text'))
    .option('--out <file>', 'write it to a file')
    .option('--json', 'the same as --format json')
    .action(async (job: string, flags: ReportFlags) =>
      (await import('./report-command.ts')).runReport(job, { flags, context }),
    );
  command(
    'licence',
    'Show which computers use a licence, load a licence, say whether server licences may stand in.',
    'licence load acme.licence',
  )
    .argument('[words...]', 'show, load FILE, or substitute auto|ask')
    .option('--json', 'print JSON')
    .action(async (words: string[], flags: LicenceFlags) =>
      (await import('./licence-command.ts')).runLicence(words, { flags, context }),
    );
}
