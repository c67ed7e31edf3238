import type { Command } from 'commander';
import type { ConsoleCommandContext } from './console-command-context.ts';
import type { TemplateFlags } from './template-command.ts';

/** Adds `template` and what can be done with templates; what it runs is imported when it runs. */
export function registerTemplateCommands(program: Command, context: ConsoleCommandContext): void {
  const template = program
    .command('template')
    .description('Saved deployment settings: list, show, check, import and delete them.');
  const command = (usage: string, description: string, example: string) =>
    template
      .command(usage)
      .description(description)
      .option('--data <dir>', "the console's data directory", context.defaultDataDir)
      .addHelpText('after', `\nExample:\n  totaldeploy template ${example}`);
  const run = () => import('./template-command.ts');
  command('list', 'List the templates and what is wrong with them.', 'list')
    .option('--json', 'print JSON')
    .action(async (flags: TemplateFlags) => (await run()).listTemplates(flags, context));
  command('show', 'Show what a deployment with a template would do.', 'show lab --for 52:54:00:12:00:07')
    .argument('<name>', 'the template')
    .option('--for <mac>', 'what this computer would become: name, address and every change')
    .option('--json', 'print the template, passwords sealed; with --for what the computer becomes')
    .action(async (name: string, flags: TemplateFlags & { for?: string }) =>
      (await run()).showTemplate(name, { flags, context }),
    );
  command(
    'validate',
    'Check template files; a console need not run. Exit code 1 when one is wrong.',
    'validate lab.json',
  )
    .argument('<file...>', 'the files')
    .option('--json', 'print JSON')
    .action(async (files: string[], flags: TemplateFlags) =>
      (await import('./template-validate.ts')).validateTemplates(files, { flags, context }),
    );
  template
    .command('schema')
    .description('Print the JSON Schema of templates, for editors and programs that write them.')
    .addHelpText('after', '\nExample:\n  totaldeploy template schema > template.schema.json')
    .action(async () => (await import('./template-validate.ts')).printSchema(context));
  command('path', 'Show or set the folder of the templates.', 'path /srv/templates')
    .argument('[dir]', 'the folder from now on')
    .action(async (dir: string | undefined, flags: TemplateFlags) =>
      (await run()).templatePath(dir, { flags, context }),
    );
  command('import', 'Check a template file and store it; passwords in it are sealed.', 'import lab.json')
    .argument('<file>', 'the file')
    .option('--replace', 'even if there is a template of that name')
    .action(async (file: string, flags: TemplateFlags & { replace?: true }) =>
      (await run()).importTemplate(file, { flags, context }),
    );
  command('delete', 'Delete a template.', 'delete lab')
    .argument('<name>', 'the template')
    .action(async (name: string, flags: TemplateFlags) =>
      (await run()).deleteTemplate(name, { flags, context }),
    );
  command(
    'table',
    'Put a CSV table of names and addresses (columns mac, name, address, prefix, gateway) into a template.',
    'table lab seats.csv',
  )
    .argument('<name>', 'the template')
    .argument('<file>', 'the CSV file')
    .action(async (name: string, file: string, flags: TemplateFlags) =>
      (await run()).importTable(name, { file, flags, context }),
    );
}
