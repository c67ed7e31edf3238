import { type Command, Option } from 'commander';
import { HIVE_TYPES, type HiveType } from './hive-types.ts';

/** Adds `hive show`, `hive get`, `hive set` and `hive check` to the program. */
export function registerHiveCommands(program: Command): void {
  const hive = program.command('hive').description('Look at, check and edit Windows registry hives.');
  const out = (text: string) => process.stdout.write(text);
  const command = (name: string, description: string, example: string) =>
    hive
      .command(name)
      .description(description)
      .argument('<file>', 'the hive; what its logs beside it (.LOG1, .LOG2, .LOG) hold is included')
      .option('--json', 'print JSON')
      .addHelpText('after', `\nExample:\n  totaldeploy hive ${example}`);
  command('show', 'Show the keys and values at one place.', `show SYSTEM 'Select'`)
    .argument('[key]', 'path with backslashes; the root when left out', '')
    .action(async (file: string, key: string, flags: { json?: true }) =>
      (await import('./hive-command.ts')).runHiveShow(file, { key, json: flags.json === true, out }),
    );
  command(
    'get',
    'Print one value; exit code 1 when it is not there.',
    String.raw`get SYSTEM 'ControlSet001\Control\ComputerName\ComputerName' ComputerName`,
  )
    .argument('<key>', 'path with backslashes')
    .argument('[value]', 'its name; the default value when left out', '')
    .action(async (file: string, key: string, value: string, flags: { json?: true }) =>
      (await import('./hive-command.ts')).runHiveGet(file, { key, value, json: flags.json === true, out }),
    );
  command(
    'set',
    'Set one value; keys that are missing are made. The file as it was is kept as <file>.bak.',
    String.raw`set SYSTEM 'ControlSet001\Services\Tcpip\Parameters' Hostname pc-07`,
  )
    .argument('<key>', 'path with backslashes')
    .argument('<value>', "its name; '' for the default value")
    .argument('<data...>', 'text, number (also 0x…), or bytes as hex digits; several texts for multi')
    .addOption(new Option('--type <type>', 'what it is').choices(HIVE_TYPES).default('sz'))
    .action(
      async (
        file: string,
        key: string,
        value: string,
        data: string[],
        flags: { type: HiveType; json?: true },
      ) =>
        (await import('./hive-command.ts')).runHiveSet(file, {
          ...{ key, value, data, type: flags.type },
          json: flags.json === true,
          out,
        }),
    );
  command('check', 'List what is wrong in a hive; exit code 1 when something is.', 'check SYSTEM').action(
    async (file: string, flags: { json?: true }) =>
      (await import('./hive-command.ts')).runHiveCheck(file, { json: flags.json === true, out }),
  );
}
