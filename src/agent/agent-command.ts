import type { Command } from 'commander';
import type { AgentCommandContext, AgentFlags } from './agent-command-run.ts';

/** Adds `totaldeploy agent`: the deploy agent on any Linux, also into a disk image file. */
export function registerAgentCommand(program: Command, context: AgentCommandContext): void {
  program
    .command('agent')
    .description('Wait for a deployment from a console and write it to a disk of this computer.')
    .option('--console <HOST[:PORT]>', 'the console; found on the network when missing')
    .option('--site <FILE>', 'site file of the console, as exported with its media')
    .option(
      '--disk <RULE>',
      'the disk to write to: sda, only, first, serial=…; goes before what the console says',
    )
    .option('--disk-file <FILE>', 'deploy into a disk image file in place of a disk')
    .option('--interface <NAME>', 'the network interface to use')
    .option('--verify', 'read everything back after writing')
    .option('--once', 'end after one job; the exit code tells how it went')
    .addHelpText(
      'after',
      '\nExample: totaldeploy agent --console 192.168.1.10 --site site.json --disk-file target.img --once',
    )
    .action(async (flags: AgentFlags) =>
      (await import('./agent-command-run.ts')).runAgentCommand(flags, context),
    );
}
