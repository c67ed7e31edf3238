import type {
  FileTransfer,
  FREE_SPACE_POLICIES,
  Secret,
  TableRow,
  Template,
  TemplateInput,
  UserAccount,
} from '../../../schema/template.ts';
import type { DeployParams } from '../../console-api.ts';
import { type DiskRuleDraft, diskRuleDraft, diskRuleText, firstDisk } from './disk-rule-draft.ts';
import { maskPrefixLength, prefixLengthMask } from './subnet-mask.ts';

/** What a deployment is called while it is not saved. */
export const UNSAVED_NAME = 'Manual deployment';

export interface TargetsDraft {
  /** The chosen computers, or all that are connected at the start. */
  mode: 'chosen' | 'connected';
  /** Names by computer id, so that computers that vanish can still be named. */
  chosen: Map<string, string>;
  waitFor: string;
  waitMinutes: string;
  wake: boolean;
  joinLate: boolean;
  allOrNothing: boolean;
  rateMbit: string;
}

/**
 * What the wizard's pages hold: every input as it was typed, also of choices that are not taken at the moment, so
 * that nothing is lost by going back and forward or by trying another choice.
 */
export interface WizardDraft {
  targets: TargetsDraft;
  image: string;
  imagePassword: Secret;
  disk: number;
  partitions: 'all' | number[];
  /** Number of the target's partition that the only chosen partition replaces; undefined clears the disk. */
  targetPartition: string | undefined;
  diskRule: DiskRuleDraft;
  freeSpace: (typeof FREE_SPACE_POLICIES)[number];
  users: UserAccount[];
  names: { kind: 'keep' | 'pattern' | 'table'; pattern: string; first: string };
  membership: {
    kind: 'keep' | 'workgroup' | 'domain';
    workgroup: string;
    domain: string;
    user: string;
    password: Secret;
    ou: string;
  };
  network: {
    kind: 'keep' | 'dhcp' | 'static' | 'table';
    first: string;
    last: string;
    mask: string;
    gateway: string;
    dnsServers: string;
    dnsSuffix: string;
  };
  table: TableRow[];
  sid: 'new' | 'keep';
  files: FileTransfer[];
  applications: { path: string; arguments: string }[];
  drivers: { source: string }[];
  after: Template['after'];
  save: { wanted: boolean; name: string; comment: string; offeredOnTargets: boolean };
  lostWaitSeconds: number;
}

/** What draft and template hold in the same way. */
const SAME_FIELDS = [
  'image',
  'imagePassword',
  'disk',
  'partitions',
  'freeSpace',
  'users',
  'table',
  'sid',
  'files',
  'applications',
  'drivers',
  'after',
] as const;
type SameFields = Pick<WizardDraft, (typeof SAME_FIELDS)[number]>;

function sameFields(from: SameFields): SameFields {
  return structuredClone(Object.fromEntries(SAME_FIELDS.map((key) => [key, from[key]]))) as SameFields;
}

export function newDraft(): WizardDraft {
  return {
    targets: {
      mode: 'chosen',
      chosen: new Map(),
      waitFor: '0',
      waitMinutes: '10',
      wake: false,
      joinLate: false,
      allOrNothing: false,
      rateMbit: '0',
    },
    image: '',
    imagePassword: '',
    disk: 0,
    partitions: 'all',
    targetPartition: undefined,
    diskRule: firstDisk(),
    freeSpace: 'keep',
    users: [],
    names: { kind: 'keep', pattern: 'PC-{n:03}', first: '1' },
    membership: { kind: 'keep', workgroup: 'WORKGROUP', domain: '', user: '', password: '', ou: '' },
    network: {
      kind: 'keep',
      first: '',
      last: '',
      mask: '255.255.255.0',
      gateway: '',
      dnsServers: '',
      dnsSuffix: '',
    },
    table: [],
    sid: 'new',
    files: [],
    applications: [],
    drivers: [],
    after: 'shutdown',
    save: { wanted: false, name: '', comment: '', offeredOnTargets: false },
    lostWaitSeconds: 90,
  };
}

/** The wizard filled in with a saved template. */
export function draftOf(template: Template): WizardDraft {
  const draft = newDraft();
  const { run, computerNames, membership, network } = template;
  Object.assign(draft.targets, {
    mode: 'connected',
    waitFor: String(run.waitFor),
    waitMinutes: String(run.waitSeconds / 60),
    wake: run.wake,
    joinLate: run.joinLate,
    allOrNothing: run.allOrNothing,
    rateMbit: String(run.rateMbit),
  });
  const { names } = draft;
  names.kind = computerNames.kind;
  if (computerNames.kind === 'pattern') {
    Object.assign(names, { pattern: computerNames.pattern, first: String(computerNames.first) });
  }
  draft.membership = { ...draft.membership, ...membershipDraft(membership) };
  draft.network = { ...draft.network, ...networkDraft(network) };
  Object.assign(draft, sameFields(template));
  draft.targetPartition =
    template.targetPartition === undefined ? undefined : String(template.targetPartition);
  draft.diskRule = diskRuleDraft(template.targetDisk);
  draft.save = {
    wanted: true,
    name: template.name,
    comment: template.comment,
    offeredOnTargets: template.offeredOnTargets,
  };
  draft.lostWaitSeconds = run.lostWaitSeconds;
  return draft;
}

function membershipDraft(membership: Template['membership']): Partial<WizardDraft['membership']> {
  switch (membership.kind) {
    case 'workgroup':
      return { kind: 'workgroup', workgroup: membership.name };
    case 'domain': {
      const { name, user, password, ou } = membership;
      return { kind: 'domain', domain: name, user, password, ou };
    }
    default:
      return {};
  }
}

function networkDraft(network: Template['network']): Partial<WizardDraft['network']> {
  if (network.kind === 'keep') return {};
  const { kind, dnsSuffix } = network;
  const dns = { kind, dnsSuffix, dnsServers: network.dnsServers.join(', ') };
  if (network.kind === 'dhcp') return dns;
  const { gateway, prefixLength } = network;
  const range = network.kind === 'static' ? { first: network.first, last: network.last } : {};
  return { ...dns, ...range, gateway, mask: prefixLengthMask(prefixLength) };
}

/** The template the draft stands for; it may break the schema until every page is without problems. */
export function templateOf(draft: WizardDraft): TemplateInput {
  const { targets, save, targetPartition } = draft;
  return {
    version: 1,
    name: save.wanted ? save.name.trim() : UNSAVED_NAME,
    comment: save.wanted ? save.comment.trim() : '',
    ...sameFields(draft),
    ...(targetPartition === undefined ? {} : { targetPartition: numberOf(targetPartition) }),
    targetDisk: diskRuleText(draft.diskRule),
    computerNames: namesOf(draft),
    membership: membershipOf(draft),
    network: networkOf(draft),
    offeredOnTargets: save.wanted && save.offeredOnTargets,
    run: {
      waitFor: numberOf(targets.waitFor),
      waitSeconds: Math.round(numberOf(targets.waitMinutes) * 60),
      wake: targets.wake,
      joinLate: targets.joinLate,
      allOrNothing: targets.allOrNothing,
      lostWaitSeconds: draft.lostWaitSeconds,
      rateMbit: numberOf(targets.rateMbit),
    },
  };
}

/** What starts the deployment. */
export function deployParamsOf(draft: WizardDraft): DeployParams {
  const { mode, chosen } = draft.targets;
  return { inline: templateOf(draft), targets: mode === 'connected' ? 'all' : [...chosen.keys()] };
}

function namesOf({ names }: WizardDraft): TemplateInput['computerNames'] {
  if (names.kind !== 'pattern') return { kind: names.kind };
  return { kind: 'pattern', pattern: names.pattern.trim(), first: numberOf(names.first) };
}

function membershipOf({ membership }: WizardDraft): TemplateInput['membership'] {
  const { kind, workgroup, domain, user, password, ou } = membership;
  switch (kind) {
    case 'workgroup':
      return { kind, name: workgroup.trim() };
    case 'domain':
      return { kind, name: domain.trim(), user: user.trim(), password, ou: ou.trim() };
    default:
      return { kind };
  }
}

function networkOf({ network }: WizardDraft): TemplateInput['network'] {
  const { kind, first, last, mask, gateway } = network;
  const dns = {
    dnsServers: network.dnsServers.split(/[\s,]+/).filter((one) => one !== ''),
    dnsSuffix: network.dnsSuffix.trim(),
  };
  const net = { prefixLength: maskPrefixLength(mask) ?? Number.NaN, gateway: gateway.trim() };
  switch (kind) {
    case 'static':
      return { kind, first: first.trim(), last: last.trim(), ...net, ...dns };
    case 'table':
      return { kind, ...net, ...dns };
    case 'dhcp':
      return { kind, ...dns };
    default:
      return { kind };
  }
}

/** NaN for what is no number, so that the schema names it. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text.replace(',', '.'));
}
