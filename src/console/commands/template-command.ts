import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { SystemFamily } from '../../customise/customise-system.ts';
import { plannedWords } from '../../customise/planned-words.ts';
import { errorLine, TdError } from '../../lib/errors.ts';
import type { FilesystemKind } from '../../schema/disk-layout.ts';
import type { Template } from '../../schema/template.ts';
import {
  type ComputerPlan,
  type ComputerSettings,
  computerPlan,
  type PlannedComputer,
} from '../computer-plan.ts';
import { normalMac } from '../computers.ts';
import type { DeployPlan, ImageDetails } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { rpcApi } from '../rpc-api.ts';
import { targetCustomisation, wantsChanges } from '../target-customisation.ts';
import { parseJson } from '../template-check.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { printable } from './image-info.ts';
import { plural, textTable } from './text-table.ts';

export interface TemplateFlags {
  data: string;
  json?: true;
}

interface Call<Flags extends TemplateFlags = TemplateFlags> {
  flags: Flags;
  context: ConsoleCommandContext;
}

const consoleOf = (flags: TemplateFlags) => rpcApi(consolePaths(flags.data).socket);

/** `template list`. */
export async function listTemplates(flags: TemplateFlags, context: ConsoleCommandContext): Promise<void> {
  await using api = consoleOf(flags);
  const templates = await api.call('template.list', {});
  if (flags.json === true) {
    context.out(json(templates));
    return;
  }
  if (templates.length === 0) {
    context.out('No templates. Save one in the deployment wizard, or "totaldeploy template import FILE".\n');
    return;
  }
  const rows = templates.map((one) => [
    one.name,
    one.image || '-',
    one.changedAt.slice(0, 16).replace('T', ' '),
    one.offeredOnTargets ? 'yes' : 'no',
    one.problems.length === 0 ? one.comment : `PROBLEM: ${one.problems.join('; ')}`,
  ]);
  context.out(
    textTable(
      ['TEMPLATE', 'IMAGE', 'CHANGED', 'OFFERED', 'COMMENT'],
      rows.map((row) => row.map(printable)),
    ),
  );
}

/** `template show`: what it would do now, or with `--for` what one computer would become. */
export async function showTemplate(
  name: string,
  { flags, context }: Call<TemplateFlags & { for?: string }>,
): Promise<void> {
  await using api = consoleOf(flags);
  if (flags.for !== undefined) {
    const template = await api.call('template.get', { name });
    const waiting = (await api.call('computers', {})).filter(
      (one) => one.role === 'agent' && one.jobId === null,
    );
    const computers = waiting.map((one) => ({
      label: one.name,
      macs: one.macs.toSorted(),
      serial: one.serial,
    }));
    const mac = checkedMac(flags.for);
    const isThere = computers.some((one) => one.macs.includes(mac));
    // One that is not connected would come last.
    if (!isThere) computers.push({ label: mac, macs: [mac], serial: '' });
    const place = computers.findIndex((one) => one.macs.includes(mac));
    const plan = computerPlan(template, computers);
    const settings = plan.computers[place]!;
    const details = await api.call('image.details', { image: template.image }).catch((error) => {
      context.note(`Warning: the changes are not known: ${printable(errorLine(error))}\n`);
    });
    // What no name or address is left for has its problem in the plan.
    const isGood = plan.problems.length === 0 && details !== undefined && wantsChanges(template);
    const changes = !isGood ? [] : plannedChanges(template, { computer: computers[place]!, place, details });
    context.out(
      flags.json === true ? json({ ...settings, changes }) : settingsText(settings, { plan, changes }),
    );
    return;
  }
  if (flags.json === true) context.out(json(await api.call('template.get', { name })));
  else context.out(planText(await api.call('plan', { template: name })));
}

/** `template path`. */
export async function templatePath(dir: string | undefined, { flags, context }: Call): Promise<void> {
  await using api = consoleOf(flags);
  const settings =
    dir === undefined
      ? await api.call('settings', {})
      : await api.call('settings.change', { templatesDir: resolve(dir) });
  context.out(`${settings.templatesDir}\n`);
}

/** `template import`. */
export async function importTemplate(
  file: string,
  { flags, context }: Call<TemplateFlags & { replace?: true }>,
): Promise<void> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TdError('io', `Cannot read "${file}": ${errorLine(cause)}`, { cause });
  });
  const parsed = parseJson(text);
  if ('problem' in parsed) throw new TdError('invalid', `Cannot import "${file}": ${parsed.problem}`);
  await using api = consoleOf(flags);
  const { path } = await api.call('template.save', {
    template: parsed.value as never,
    replace: flags.replace === true,
  });
  context.out(`Saved as "${path}"\n`);
}

/** `template delete`. */
export async function deleteTemplate(name: string, { flags, context }: Call): Promise<void> {
  await using api = consoleOf(flags);
  await api.call('template.delete', { name });
  context.out(`Deleted template "${name}"\n`);
}

/** `template table`: replaces the table a template has. */
export async function importTable(
  name: string,
  { file, flags, context }: Call & { file: string },
): Promise<void> {
  await using api = consoleOf(flags);
  const table = await api.call('template.table', { path: resolve(file) });
  const template = await api.call('template.get', { name });
  await api.call('template.save', { template: { ...template, table }, replace: true });
  context.out(`Template "${template.name}" has a table of ${plural(table.length, 'computer')}\n`);
}

/** The summary as the wizard's last page shows it. */
export function planText({ rows, notApplied, warnings, problems = [] }: DeployPlan): string {
  const width = Math.max(...rows.map(({ label }) => label.length));
  const lines = [
    ...rows.map(({ label, value }) => `${label.padEnd(width)}  ${value}`),
    ...notApplied.map((line) => `Not applied by this version: ${line}`),
    ...warnings.map((line) => `Warning: ${line}`),
    ...problems.map((line) => `Problem: ${line}`),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

/** What would be changed, in words, by the kinds of systems that may be on the image. */
function plannedChanges(
  template: Template,
  { computer, place, details }: { computer: PlannedComputer; place: number; details: ImageDetails },
): { system: SystemFamily; edits: string[] }[] {
  const customisation = targetCustomisation(template, {
    ...{ computer, place, open: () => 'not needed' },
    // Which files there are is seen when a job starts.
    filesOf: (source) => ({ name: basename(source.replaceAll('\\', '/')), isFolder: false, entries: [] }),
  });
  const machine = { macs: [...computer.macs], pciDevices: [] };
  const kinds = details.disks[template.disk]?.partitions.map((one) => one.filesystem.kind) ?? [];
  const families: SystemFamily[] = [];
  if (kinds.includes('ntfs')) families.push('windows');
  if (kinds.some((kind) => LINUX_KINDS.has(kind))) families.push('linux');
  return families.map((system) => ({
    system,
    edits: plannedWords(customisation, { family: system, machine }),
  }));
}

const LINUX_KINDS: ReadonlySet<FilesystemKind> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'lvm2']);
const SYSTEM_WORDS: Readonly<Record<SystemFamily, string>> = { windows: 'a Windows 10', linux: 'a Debian' };

function settingsText(
  { name, address }: ComputerSettings,
  { plan, changes }: { plan: ComputerPlan; changes: ReturnType<typeof plannedChanges> },
): string {
  const { prefixLength = 0, gateway = '' } = address ?? {};
  const network =
    address === undefined
      ? 'not from the template'
      : `${address.address}/${prefixLength}${gateway === '' ? '' : `, gateway ${gateway}`}`;
  const lines = [
    `Name     ${name ?? "the master's"}`,
    `Address  ${network}`,
    ...changes.flatMap(({ system, edits }) => [
      `Changes of ${SYSTEM_WORDS[system]}, for example:`,
      ...edits.map((text) => `  ${text}`),
    ]),
    ...plan.problems.map((line) => `Problem: ${line}`),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

/** @throws TdError `usage`. */
export function checkedMac(text: string): string {
  const mac = normalMac(text);
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return mac;
  throw new TdError('usage', `Cannot use "${text}": give a MAC address such as 52:54:00:12:34:56`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
