import { Command, CommanderError } from 'commander';
import { errorLine, TdError } from './lib/errors.ts';
import { PROGRAM_VERSION } from './lib/version.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_PARTIAL = 3;

function buildProgram(): Command {
  const program = new Command('totaldeploy')
    .description('Capture the disk of a master computer and deploy it to many targets at once.')
    .version(PROGRAM_VERSION)
    .exitOverride()
    .showHelpAfterError('Run "totaldeploy --help" to see the commands.');
  return program;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof TdError) {
    if (error.code === 'usage') return EXIT_USAGE;
    if (error.code === 'partial') return EXIT_PARTIAL;
  }
  return EXIT_FAILED;
}

async function main(): Promise<void> {
  try {
    await buildProgram().parseAsync(process.argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) process.stderr.write(`totaldeploy: ${errorLine(error)}\n`);
  }
}

void main();
