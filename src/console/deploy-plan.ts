import { formatBytes, formatSeconds } from '../lib/progress.ts';
import type { AfterAction } from '../schema/after-action.ts';
import type { FilesystemKind } from '../schema/disk-layout.ts';
import { diskNumber } from '../schema/image-manifest.ts';
import type { Template } from '../schema/template.ts';
import { plural } from './commands/text-table.ts';
import { type ComputerPlan, computerPlan, type PlannedComputer } from './computer-plan.ts';
import type { DeployParams, DeployPlan, ImageDetails } from './console-api.ts';
import type { DeployRequestInput } from './deploy-request.ts';
import { wantsChanges } from './target-customisation.ts';

export interface PlanSurroundings {
  image: ImageDetails;
  /** Those that would be deployed to if it started now. */
  computers: readonly PlannedComputer[];
  params: Pick<DeployParams, 'targets' | 'waitFor' | 'waitSeconds' | 'after'>;
}

const NAMES_SHOWN_MAX = 5;
const SYSTEM_KINDS: ReadonlySet<FilesystemKind> = new Set([
  'ntfs',
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'lvm2',
]);

const AFTER_WORDS: Readonly<Record<AfterAction, string>> = {
  shutdown: 'shut down',
  restart: 'restart',
  wait: 'no operation',
};
const FREE_SPACE_WORDS: Readonly<Record<Template['freeSpace'], string>> = {
  keep: 'left as it is',
  'grow-last': 'given to the last partition',
  proportional: 'given to all partitions in proportion',
};
const GROUP_WORDS = {
  administrators: 'Administrators',
  'power-users': 'Power Users',
  users: 'Users',
} as const;

export type FullPlan = DeployPlan & Required<Pick<DeployPlan, 'problems'>>;

/** What a deployment would do, line by line, and why it would be refused. */
export function deployPlan(template: Template, surroundings: PlanSurroundings): FullPlan {
  const { image, computers, params } = surroundings;
  const request = requestFromTemplate(template, surroundings);
  const names = computerPlan(template, computers, { count: computersMax(request) });
  const rows = [
    ...imageRows(template, image),
    ...targetRows(template, { request, computers }),
    ...settingRows(template, names),
    { label: 'After deployment', value: AFTER_WORDS[params.after ?? template.after] },
  ];
  const flaws = image.flaws.map((flaw) => `Image: ${flaw}`);
  const warnings = [...flaws, ...systemWarnings(template, image), ...names.warnings];
  if (computers.length === 0) warnings.push('No computer is connected and free');
  const { membership } = template;
  const asks =
    membership.kind === 'domain' && membership.password === ''
      ? { asks: { user: membership.user, domain: membership.name } }
      : {};
  return {
    ...asks,
    rows,
    notApplied: notApplied(template),
    warnings,
    problems: [...imageProblems(template, image), ...names.problems],
  };
}

/** What a job runs with: the template's settings, and of the parameters those that are given. */
export function requestFromTemplate(
  template: Template,
  { image, params }: Pick<PlanSurroundings, 'image' | 'params'>,
): DeployRequestInput & { waitFor: number; waitSeconds: number; targets: 'all' | string[] } {
  const { run, targetPartition } = template;
  return {
    image: template.image.includes('/') ? image.path : template.image,
    disk: template.disk,
    partitions: template.partitions,
    ...(targetPartition === undefined ? {} : { targetPartition }),
    diskRule: template.targetDisk,
    ...run,
    targets: params.targets ?? 'all',
    waitFor: params.waitFor ?? run.waitFor,
    waitSeconds: params.waitSeconds ?? run.waitSeconds,
    after: params.after ?? template.after,
    template: template.name,
  };
}

function computersMax({ targets, waitFor }: { targets: 'all' | string[]; waitFor: number }): number {
  return Math.max(waitFor, targets === 'all' ? 0 : targets.length);
}

type Rows = DeployPlan['rows'];

function imageRows(template: Template, image: ImageDetails): Rows {
  const layout = image.disks[template.disk];
  const taken = image.createdAt.slice(0, 10);
  const disk = [layout === undefined ? '' : formatBytes(layout.sizeBytes), layout?.table.toUpperCase() ?? ''];
  return [
    { label: 'Master image', value: `${template.image} (${formatBytes(image.usedBytes)}, taken ${taken})` },
    { label: 'Disk of the image', value: `${diskNumber(template.disk)} (${disk.join(', ')})` },
    { label: 'Partitions', value: `${partitionWords(template, image)}; the boot area always` },
  ];
}

function partitionWords(template: Template, image: ImageDetails): string {
  if (template.partitions === 'all') return 'all';
  const partitions = image.disks[template.disk]?.partitions ?? [];
  const words = template.partitions.map((number) => {
    const found = partitions.find((one) => one.number === number);
    if (found === undefined) return `${number}`;
    const { kind, label } = found.filesystem;
    return `${number} (${[label || found.name, kind, formatBytes(found.sizeBytes)].filter(Boolean).join(', ')})`;
  });
  return words.join(', ');
}

function targetRows(
  template: Template,
  {
    request,
    computers,
  }: { request: ReturnType<typeof requestFromTemplate>; computers: readonly PlannedComputer[] },
): Rows {
  const { targets, waitFor, waitSeconds } = request;
  const count = targets === 'all' ? 'all that are connected' : plural(targets.length, 'computer');
  const wanted = Math.max(waitFor, targets === 'all' ? 0 : targets.length);
  const wait = wanted > computers.length ? `; waits up to ${formatSeconds(waitSeconds)} for ${wanted}` : '';
  const { targetDisk: rule, targetPartition } = template;
  return [
    { label: 'Target computers', value: `${count} (${computers.length} now)${wait}` },
    { label: 'Target disk', value: rule === 'auto' ? 'the only disk of each computer' : rule },
    ...(targetPartition === undefined
      ? []
      : [{ label: 'Target partition', value: `${targetPartition}, the others stay` }]),
    { label: 'Free space', value: FREE_SPACE_WORDS[template.freeSpace] },
  ];
}

function settingRows(template: Template, names: ComputerPlan): Rows {
  const { users, files, applications, drivers } = template;
  const rows: [string, string][] = [
    ['User accounts', listed(users.map(({ name, group }) => `${name} (${GROUP_WORDS[group]})`))],
    ['Computer names', namesValue(template, names)],
    ['Domain or workgroup', membershipValue(template)],
    ['Network', networkValue(template)],
    ['Security identifiers', template.sid === 'new' ? 'a new one on each computer' : "the master's"],
    ['Files', listed(files.map(({ source, execute }) => (execute ? `${source} (executed)` : source)))],
    ['Applications', listed(applications.map(({ path }) => path))],
    ['Disk drivers', listed(drivers.map(({ source }) => source))],
  ];
  return rows.map(([label, value]) => ({ label, value }));
}

function listed(words: readonly string[]): string {
  if (words.length === 0) return 'none';
  const more = words.length - NAMES_SHOWN_MAX;
  return `${words.slice(0, NAMES_SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function namesValue({ computerNames: names, table }: Template, plan: ComputerPlan): string {
  if (names.kind === 'keep') return "the master's";
  const what =
    names.kind === 'pattern'
      ? `pattern ${names.pattern}`
      : `table of ${plural(table.filter((row) => row.name !== undefined).length, 'name')}`;
  const given = plan.computers.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const [first, last] = [given[0], given.at(-1)];
  if (first === undefined) return what;
  return `${what}: ${first === last ? first : `${first} to ${last}`}`;
}

function membershipValue({ membership }: Template): string {
  if (membership.kind === 'keep') return "the master's";
  if (membership.kind === 'workgroup') return `workgroup ${membership.name}`;
  return `domain ${membership.name}, joined by ${membership.user}`;
}

function networkValue({ network, table }: Template): string {
  if (network.kind === 'keep') return "the master's";
  const dns = network.dnsServers.length === 0 ? '' : `, DNS ${network.dnsServers.join(', ')}`;
  if (network.kind === 'dhcp') return `DHCP${dns}`;
  const gateway = network.gateway === '' ? '' : `, gateway ${network.gateway}`;
  const addresses =
    network.kind === 'static'
      ? `${network.first} to ${network.last}`
      : `table of ${table.filter((row) => row.address !== undefined).length} addresses`;
  return `${addresses}, /${network.prefixLength}${gateway}${dns}`;
}

/** Settings that nothing acts upon yet. */
function notApplied({ imagePassword, freeSpace }: Template): string[] {
  const lines: string[] = [];
  if (imagePassword !== '') lines.push('the password of the image');
  if (freeSpace !== 'keep') lines.push('the free space of the target disk: it stays as it is');
  return lines;
}

/** Why settings find no system on the deployed disk that they could change. */
function systemWarnings(template: Template, image: ImageDetails): string[] {
  const wanted = (image.disks[template.disk]?.partitions ?? []).filter(
    ({ number }) => template.partitions === 'all' || template.partitions.includes(number),
  );
  const kinds = wanted.map((one) => one.filesystem.kind);
  const isAsked = wantsChanges({ ...template, sid: 'keep' });
  if (!isAsked || kinds.some((kind) => SYSTEM_KINDS.has(kind))) return [];
  const locked = kinds.some((kind) => kind === 'bitlocker' || kind === 'luks');
  const why = locked ? 'its partitions are encrypted' : 'no partition of it can hold Windows or Linux';
  return [`Image: its system cannot be changed: ${why}`];
}

function imageProblems(template: Template, image: ImageDetails): string[] {
  const layout = image.disks[template.disk];
  if (layout === undefined) {
    return [
      `the image has ${plural(image.disks.length, 'disk')}: there is no disk ${diskNumber(template.disk)}`,
    ];
  }
  const problems: string[] = [];
  if (template.targetPartition !== undefined) {
    problems.push(
      'replacing one partition is not in this version, and a whole deployment would clear the disk; choose no target partition',
    );
  }
  const there = layout.partitions.map((one) => one.number);
  const missing =
    template.partitions === 'all' ? [] : template.partitions.filter((number) => !there.includes(number));
  if (missing.length > 0) {
    problems.push(
      `partition ${missing.join(', ')} is not in the image; it has ${there.join(', ') || 'none'}`,
    );
  }
  return problems;
}
