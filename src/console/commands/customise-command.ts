import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { loadIdentity } from '../../control/identity.ts';
import { openDeployedSystem } from '../../customise/customise.ts';
import type { DeployedSystem } from '../../customise/customise-system.ts';
import { filesByPieces } from '../../customise/file-source.ts';
import { readMachineFacts } from '../../customise/machine-facts.ts';
import { errorLine, TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { EditResult } from '../../schema/edit-result.ts';
import type { Template } from '../../schema/template.ts';
import { consolePaths } from '../console-paths.ts';
import { Secrets } from '../secrets.ts';
import { ShareFiles } from '../share-files.ts';
import { targetCustomisation } from '../target-customisation.ts';
import { gatherFiles, type TargetFiles } from '../target-files.ts';
import { checkTemplateText, TEMPLATE_BYTES_MAX, templateError } from '../template-check.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { printable } from './image-info.ts';
import { checkedMac } from './template-command.ts';
import { askedPassword } from './typed-password.ts';

export interface CustomiseFlags {
  data: string;
  root: string;
  template: string;
  for: string;
  passwordFile?: string;
  dryRun?: true;
  json?: true;
}

/**
 * `customise`: what the deploy agent does, on a system that is mounted already.
 *
 * @throws TdError `not-found` without a system; `partial` when some edits failed; as the template and its files.
 */
export async function runCustomise(flags: CustomiseFlags, context: ConsoleCommandContext): Promise<void> {
  const macs = [checkedMac(flags.for)];
  const found = await stat(flags.root).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new TdError('usage', `Cannot customise "${flags.root}": it is no folder; mount the system there`);
  }
  const template = await readTemplate(flags, context);
  await using shares = new ShareFiles('customise', {
    places: () => [],
    mountsDir: '/run/totaldeploy/mounts',
  });
  const files = await gather(template, { shares, signal: context.signal });
  const system = await openDeployedSystem(flags.root, {
    customisation: customisationOf(template, { macs, files }),
    machine: await readMachineFacts({ macs }),
    openFile: filesByPieces(async ({ sha256 }, range) => (await files.read(sha256, range)).bytes),
    signal: context.signal,
    onEdit: (text) => context.note(`${printable(text)} …\n`),
    isUnmountedAfter: false,
  });
  if (system === undefined) {
    throw new TdError('not-found', `Cannot customise "${flags.root}": there is no Windows or Linux in it`);
  }
  if (flags.dryRun === true) context.out(planOf(system, flags));
  else {
    const edits = await system.apply();
    context.out(resultOf(system, { edits, flags }));
    throwIfFailed(edits);
  }
}

async function readTemplate(flags: CustomiseFlags, context: ConsoleCommandContext): Promise<Template> {
  const { template: path, data } = flags;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new TdError('io', `Cannot read "${path}": ${errorLine(cause)}`, { cause });
  });
  if (Buffer.byteLength(text) > TEMPLATE_BYTES_MAX) {
    throw new TdError('invalid', `Cannot use "${path}": it is bigger than ${TEMPLATE_BYTES_MAX} bytes`);
  }
  const secrets = await loadIdentity(consolePaths(data).identity)
    .then((identity) => new Secrets(identity))
    .catch(() => undefined);
  const { template, problems } = checkTemplateText(text, secrets);
  if (template === undefined || problems.length > 0) throw templateError(`use "${path}"`, problems);
  const { membership } = template;
  const open = (secret: Template['imagePassword']) => {
    if (secrets !== undefined || typeof secret === 'string') return secrets?.open(secret) ?? String(secret);
    throw new TdError(
      'untrusted',
      `Cannot open the passwords in "${path}": give the console's --data folder`,
    );
  };
  const users = template.users.map((user) => ({ ...user, password: open(user.password) }));
  if (membership.kind !== 'domain') return { ...template, users };
  const question = `Password of ${membership.user} for ${membership.name}`;
  const password =
    flags.dryRun === true
      ? 'not needed'
      : open(membership.password) || (await askedPassword(question, { file: flags.passwordFile, context }));
  return { ...template, users, membership: { ...membership, password } };
}

function gather(
  { files, drivers }: Template,
  { shares, signal }: { shares: ShareFiles; signal: AbortSignal },
): Promise<TargetFiles> {
  const wanted = [
    ...files.map(({ source }) => ({ source, isDriver: false })),
    ...drivers.map(({ source }) => ({ source, isDriver: true })),
  ];
  return gatherFiles(wanted, { find: (source) => shares.find(source), signal });
}

function customisationOf(
  template: Template,
  { macs, files }: { macs: string[]; files: TargetFiles },
): Customisation {
  const computer = { label: macs[0]!, macs, serial: '' };
  const open = (secret: Template['imagePassword']) => String(secret);
  return targetCustomisation(template, {
    ...{ computer, place: 0, open },
    filesOf: (source) => files.setOf(source),
  });
}

function planOf({ name, plan }: DeployedSystem, { root, json }: CustomiseFlags): string {
  if (json === true) return `${JSON.stringify({ system: name, plan }, null, 2)}\n`;
  const lines = [`${name} in ${basename(root)} would be changed:`, ...plan.map((text) => `  ${text}`)];
  return `${lines.map(printable).join('\n')}\n`;
}

function resultOf(
  { name }: DeployedSystem,
  { edits, flags }: { edits: readonly EditResult[]; flags: CustomiseFlags },
): string {
  if (flags.json === true) return `${JSON.stringify({ system: name, edits }, null, 2)}\n`;
  const lines = edits.map(
    ({ text, result, reason }) => `${result.padEnd(8)}${text}${reason === '' ? '' : ` (${reason})`}`,
  );
  return `${[name, ...lines].map(printable).join('\n')}\n`;
}

function throwIfFailed(edits: readonly EditResult[]): void {
  const failed = edits.filter(({ result }) => result === 'failed').length;
  if (failed > 0) throw new TdError('partial', `${failed} of ${edits.length} changes failed`);
}
