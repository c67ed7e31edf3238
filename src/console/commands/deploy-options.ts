import { type Command, InvalidArgumentError } from 'commander';
import { AFTER_ACTIONS, type AfterAction } from '../../schema/after-action.ts';
import { type NewCommand, numberIn } from './command-options.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

/** As given: what is not comes from the template, else from the defaults of a deployment. */
interface DeployOptions {
  data: string;
  image?: string;
  template?: string;
  targets?: 'all' | string[];
  waitFor?: number;
  timeout?: number;
  disk?: string;
  after?: AfterAction;
  rate?: number;
  datagram?: number;
  allOrNothing?: true;
  lostWait?: number;
  passwordFile?: string;
  json?: true;
}

/** Adds `deploy`; what it runs is imported when it runs. */
export function registerDeploy(command: NewCommand, context: ConsoleCommandContext): void {
  const days = numberIn(0, 7 * 24 * 3600);
  command(
    'deploy',
    'Write an image to computers that are connected, by a template or by options; exit code 3 when some of them failed.',
    'deploy --template lab\n  totaldeploy deploy --image office --wait-for 20 --after restart',
  )
    .option('--template <name>', 'the saved settings, as "totaldeploy template list" lists them')
    .option('--image <name>', 'or the image, as "totaldeploy images" lists it')
    .option('--targets <list>', 'all (default), or MAC addresses with commas', parseTargets)
    .option('--wait-for <count>', 'start when so many computers are connected', numberIn(0, 2000))
    .option('--timeout <seconds>', 'start with those that are there after this long; default 600', days)
    .option('--after <action>', `${AFTER_ACTIONS.join(', ')}; default shutdown`, parseAfter)
    .option('--disk <rule>', 'with --image: target disk: auto, sda, serial=…, size>=100G, smallest …')
    .option('--rate <mbit>', 'with --image: the most that is sent, in Mbit/s', numberIn(0, 100_000))
    .option(
      '--datagram <bytes>',
      "with --image: bytes a datagram; default as the cards' MTU allows",
      numberIn(544, 8972),
    )
    .option('--all-or-nothing', 'with --image: write nothing when one computer cannot')
    .option('--lost-wait <seconds>', 'with --image: how long a lost computer may take to come back', days)
    .option(
      '--password-file <file>',
      'with --template: first line is the password for the domain; - reads standard input',
    )
    .option('--json', 'print the report as JSON')
    .action(async (options: DeployOptions, self: Command) => {
      const request = requestOf(options);
      if (typeof request === 'string') self.error(request);
      const { json, passwordFile } = options;
      const more = { ...(json && { json }), ...(passwordFile === undefined ? {} : { passwordFile }) };
      const { runDeploy } = await import('./deploy-command.ts');
      return runDeploy({ data: options.data, request, ...more }, context);
    });
}

/** What the console is asked, or what is wrong with the options. */
function requestOf(options: DeployOptions): Record<string, unknown> | string {
  const { template, image, targets, waitFor, timeout, after, disk, rate, datagram, allOrNothing, lostWait } =
    options;
  if ((template === undefined) === (image === undefined)) {
    return 'error: give either --template or --image';
  }
  const ofImage = {
    diskRule: disk,
    rateMbit: rate,
    datagramBytes: datagram,
    allOrNothing,
    lostWaitSeconds: lostWait,
  };
  if (template !== undefined && Object.values(ofImage).some((value) => value !== undefined)) {
    return 'error: --disk, --rate, --all-or-nothing and --lost-wait are in the template; change it, or use --image';
  }
  const given = { template, image, targets, waitFor, waitSeconds: timeout, after, ...ofImage };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
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
