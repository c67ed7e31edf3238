import { TdError } from '../lib/errors.ts';
import {
  computerNameSchema,
  expandNamePattern,
  ipv4Number,
  ipv4Text,
  type TableRow,
  type Template,
} from '../schema/template.ts';

/** What a plan needs to know of a computer. */
export interface PlannedComputer {
  /** How people know it. */
  label: string;
  /** Lower case with colons, its first one first. */
  macs: readonly string[];
  serial: string;
}

export interface ComputerSettings {
  label: string;
  /** Absent: it keeps the master's name. */
  name?: string;
  /** Absent: it keeps the master's settings, or asks a DHCP server. */
  address?: { address: string; prefixLength: number; gateway: string };
}

export interface ComputerPlan {
  /** One for each computer, in the order they were given. */
  computers: ComputerSettings[];
  /** Why it must not start; each a line that names computer and value. */
  problems: string[];
  /** Computers that a table says nothing of. */
  warnings: string[];
}

type PlanTemplate = Pick<Template, 'computerNames' | 'network' | 'table'>;

/**
 * Gives every computer its name and address: by its place in the order, or by the table's row with any of its MAC
 * addresses. A computer added at the end changes nothing for those before it.
 *
 * @param options.count how many there may be in the end; default those that are given.
 */
export function computerPlan(
  template: PlanTemplate,
  computers: readonly PlannedComputer[],
  options: { count?: number } = {},
): ComputerPlan {
  const count = Math.max(computers.length, options.count ?? 0);
  const plan: ComputerPlan = { computers: [], problems: capacityProblems(template, count), warnings: [] };
  const usesTable = template.computerNames.kind === 'table' || template.network.kind === 'table';
  const rows = new Map(template.table.map((row) => [row.mac, row]));
  for (const [place, computer] of computers.entries()) {
    if (usesTable) plan.warnings.push(...tableWarnings(template, computer, rowOf(computer, rows)));
    plan.computers.push(settingsAt(template, computer, { place, rows }));
  }
  plan.problems.push(...nameProblems(plan.computers), ...sharedAddresses(plan.computers));
  return plan;
}

/**
 * Name and address of one computer at its place in the order, counted from 0.
 *
 * @throws TdError `refused` when the template has none left for that place.
 */
export function computerSettings(
  template: PlanTemplate,
  computer: PlannedComputer,
  place: number,
): ComputerSettings {
  const rows = new Map(template.table.map((row) => [row.mac, row]));
  const settings = settingsAt(template, computer, { place, rows });
  const { network } = template;
  const noAddress =
    network.kind === 'static' && settings.address === undefined
      ? [`the addresses from ${network.first} to ${network.last} are all given out; widen the range`]
      : [];
  const [problem] = [...noAddress, ...nameProblems([settings])];
  if (problem !== undefined) throw new TdError('refused', problem);
  return settings;
}

type Rows = ReadonlyMap<string, TableRow>;

function rowOf(computer: PlannedComputer, rows: Rows): TableRow | undefined {
  return computer.macs.map((mac) => rows.get(mac)).find((row) => row !== undefined);
}

function settingsAt(
  template: PlanTemplate,
  computer: PlannedComputer,
  { place, rows }: { place: number; rows: Rows },
): ComputerSettings {
  const row = rowOf(computer, rows);
  const name = nameOf(template.computerNames, { computer, row, place });
  const address = addressOf(template.network, { row, place });
  return {
    label: computer.label,
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
  };
}

/** What goes wrong with so many computers, whichever they are. */
function capacityProblems({ computerNames, network }: PlanTemplate, count: number): string[] {
  const problems: string[] = [];
  if (network.kind === 'static') {
    const { first, last } = network;
    const addresses = ipv4Number(last) - ipv4Number(first) + 1;
    if (addresses < count) {
      problems.push(`${first} to ${last} are ${addresses} addresses for ${count} computers; widen the range`);
    }
  }
  if (computerNames.kind === 'pattern' && count > 0) {
    const { pattern, first } = computerNames;
    const sample = { mac: 'ab:cd:ef:ab:cd:ef', serial: 'S', number: first + count - 1 };
    const name = expandNamePattern(pattern, sample);
    if (!computerNameSchema.safeParse(name).success) {
      problems.push(
        `the pattern "${pattern}" gives "${name}" for computer ${count}: a name has up to 15 characters; shorten it`,
      );
    }
    if (count > 1 && !pattern.includes('{')) {
      problems.push(`the pattern "${pattern}" gives ${count} computers one name; put {n} into it`);
    }
  }
  return problems;
}

interface Place {
  row: TableRow | undefined;
  /** From 0. */
  place: number;
}

function nameOf(
  names: Template['computerNames'],
  { computer, row, place }: Place & { computer: PlannedComputer },
): string | undefined {
  if (names.kind === 'table') return row?.name;
  if (names.kind === 'keep') return undefined;
  const [mac = ''] = computer.macs;
  return expandNamePattern(names.pattern, { number: names.first + place, mac, serial: computer.serial });
}

function addressOf(network: Template['network'], { row, place }: Place): ComputerSettings['address'] {
  if (network.kind === 'static') {
    const number = ipv4Number(network.first) + place;
    if (number > ipv4Number(network.last)) return undefined;
    const { prefixLength, gateway } = network;
    return { address: ipv4Text(number), prefixLength, gateway };
  }
  if (network.kind !== 'table' || row?.address === undefined) return undefined;
  const { address, prefixLength = network.prefixLength, gateway = network.gateway } = row;
  return { address, prefixLength, gateway };
}

function tableWarnings(
  { computerNames, network }: PlanTemplate,
  { label }: PlannedComputer,
  row: TableRow | undefined,
): string[] {
  const missing = [
    computerNames.kind === 'table' && row?.name === undefined ? 'name' : '',
    network.kind === 'table' && row?.address === undefined ? 'address' : '',
  ].filter((word) => word !== '');
  return missing.length === 0 ? [] : [`${label}: the table has no ${missing.join(' and no ')} for it`];
}

function nameProblems(computers: readonly ComputerSettings[]): string[] {
  const problems: string[] = [];
  const taken = new Map<string, string>();
  for (const { label, name } of computers) {
    if (name === undefined) continue;
    const other = taken.get(name.toLowerCase());
    if (!computerNameSchema.safeParse(name).success) {
      problems.push(`${label}: "${name}" is no computer name of 1 to 15 letters, digits and dashes`);
    } else if (other !== undefined) problems.push(`${label}: "${name}" is the name of ${other} already`);
    else taken.set(name.toLowerCase(), label);
  }
  return problems;
}

function sharedAddresses(computers: readonly ComputerSettings[]): string[] {
  const taken = new Map<string, string>();
  return computers.flatMap(({ label, address }) => {
    const other = address && taken.get(address.address);
    if (address !== undefined) taken.set(address.address, label);
    return other === undefined ? [] : [`${label}: ${address?.address} is the address of ${other} already`];
  });
}
