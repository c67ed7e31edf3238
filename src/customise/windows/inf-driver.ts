import { type Inf, infNumber, infSection, infValue, infValues } from './inf-file.ts';
import type { WindowsFacts } from './windows-system.ts';

/** What decides which parts of a setup information file are for a system. */
export type InfSystem = Pick<WindowsFacts, 'architecture' | 'release' | 'productName'>;

/** One line of a models section: devices that one install section is for. */
export interface InfModel {
  description: string;
  manufacturer: string;
  installSection: string;
  /** In upper case: the device's own id, then those it is compatible with. */
  ids: string[];
}

export interface InfDriver {
  /** E.g. `SCSIAdapter`. */
  className: string;
  /** In upper case with braces; empty when it is not one. */
  classGuid: string;
  provider: string;
  /** Of `DriverVer`; 0 when there is none. */
  dateMs: number;
  /** Four numbers, the most significant first. */
  version: number[];
  /** Only those for this system; empty when it is for others. */
  models: InfModel[];
}

/** Reads what a setup information file is for (Microsoft, "INF Version section", "INF Manufacturer section"). */
export function readInfDriver(inf: Inf, system: InfSystem): InfDriver {
  const guid = infValue(inf, 'Version', 'ClassGuid').toUpperCase();
  const [date = '', version = ''] = infValues(inf, 'Version', 'DriverVer');
  return {
    className: infValue(inf, 'Version', 'Class'),
    classGuid: /^\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}$/.test(guid) ? guid : '',
    provider: infValue(inf, 'Version', 'Provider'),
    dateMs: parseDate(date),
    version: parseVersion(version),
    models: readModels(inf, system),
  };
}

/**
 * The section itself, or the variant of it for this platform (Microsoft, "INF file platform extensions and x64-based
 * systems": `.ntamd64`, else `.nt`, else none).
 */
export function platformSection(inf: Inf, section: string, { architecture }: InfSystem): string {
  const decorated = [`${section}.nt${architecture}`, `${section}.nt`];
  return decorated.find((name) => inf.sections.has(name.toLowerCase())) ?? section;
}

/** Month, day and year with slashes or dashes. */
function parseDate(text: string): number {
  const match = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$/.exec(text);
  if (!match) return 0;
  const [month = 0, day = 0, year = 0] = match.slice(1).map(Number);
  return Math.max(0, Date.UTC(year, month - 1, day));
}

function parseVersion(text: string): number[] {
  const parts = text
    .split('.')
    .slice(0, 4)
    .map((part) => (/^\d{1,5}$/.test(part) ? Number(part) & 0xffff : 0));
  return [...parts, 0, 0, 0, 0].slice(0, 4);
}

function readModels(inf: Inf, system: InfSystem): InfModel[] {
  return infSection(inf, 'Manufacturer').flatMap(({ key, values }) => {
    const [name = key, ...targets] = values;
    const section =
      key === '' && values.length === 0 ? undefined : chooseModelsSection(name, targets, system);
    return section === undefined ? [] : readModelsSection(inf, section, key || name);
  });
}

function readModelsSection(inf: Inf, section: string, manufacturer: string): InfModel[] {
  return infSection(inf, section).flatMap(({ key, values }) => {
    const [installSection = '', ...names] = values;
    const ids = names.filter((id) => id !== '').map((id) => id.toUpperCase());
    return installSection === '' || ids.length === 0
      ? []
      : [{ description: key, manufacturer, installSection, ids }];
  });
}

/** The models section that is closest to the system; undefined when all are for others. */
function chooseModelsSection(
  name: string,
  targets: readonly string[],
  system: InfSystem,
): string | undefined {
  const fitting = targets
    .map((target) => ({ target, closeness: closenessOf(target, system) }))
    .filter((each): each is { target: string; closeness: number[] } => each.closeness !== undefined)
    .sort((a, b) => compareLists(b.closeness, a.closeness));
  const [closest] = fitting;
  if (closest) return `${name}.${closest.target}`;
  // From Server 2003 SP1 on, 64-bit systems take decorated models only ("INF Manufacturer section").
  return system.architecture === 'x86' ? name : undefined;
}

const WORKSTATION = 1;

/**
 * How close a `TargetOSVersion` comes to a system, to be compared; undefined when it is for others:
 * `nt[architecture][.[major][.[minor][.[product type][.[suite mask]][.[build]]]]]`
 * (Microsoft, "Combining platform extensions with operating system versions").
 */
function closenessOf(target: string, system: InfSystem): number[] | undefined {
  const [platform = '', ...fields] = target.toLowerCase().split('.');
  const isAnyPlatform = platform === 'nt';
  if (!isAnyPlatform && platform !== `nt${system.architecture}`) return undefined;
  if (isAnyPlatform && system.architecture !== 'x86') return undefined;
  const numbers = fields.map((field) => (field === '' ? 0 : infNumber(field)));
  if (numbers.includes(undefined) || numbers.length > 5) return undefined;
  const [major = 0, minor = 0, productType = 0, suite = 0, build = 0] = numbers as number[];
  const { release } = system;
  if (compareLists([major, minor, build], [release.major, release.minor, release.build]) > 0)
    return undefined;
  const isWorkstation = !/\bserver\b/i.test(system.productName);
  if (productType !== 0 && (productType === WORKSTATION) !== isWorkstation) return undefined;
  if (suite !== 0) return undefined; // editions such as Embedded, which the facts do not tell apart
  return [major, minor, build, productType === 0 ? 0 : 1, isAnyPlatform ? 0 : 1];
}

/** Negative, zero or positive, as for `sort`. */
export function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [i, number] of a.entries()) {
    const difference = number - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
