import { TdError } from '../../lib/errors.ts';
import { type InfSystem, platformSection } from './inf-driver.ts';
import { type Inf, infNumber, infSection, infValue, infValues } from './inf-file.ts';
import { type InfRegistryLine, readAddReg } from './inf-registry.ts';

/** A driver that an install section brings. */
export interface InfService {
  name: string;
  displayName: string;
  /** It drives the device itself; the others are filters and helpers. */
  isFunctionDriver: boolean;
  type: number;
  start: number;
  errorControl: number;
  /** Load order group, e.g. `SCSI miniport`; empty for none. */
  group: string;
  /** Name of its `.sys` on the target, and in the package, where it may be another. */
  fileName: string;
  sourceName: string;
  registry: InfRegistryLine[];
}

/** What Windows does when it installs one model. */
export interface InfInstallation {
  /** Name of the section, as Windows keeps it in its driver database. */
  section: string;
  services: InfService[];
  /** For the device's own key. */
  deviceRegistry: InfRegistryLine[];
}

const SERVICES_MAX = 32;
/** SPSVCINST_ASSOCSERVICE (Microsoft, "INF AddService directive"). */
const FUNCTION_DRIVER_FLAG = 0x2;
const KERNEL_DRIVER = 1;
const DEMAND_START = 3;
const NORMAL_ERROR = 1;
/** What Windows takes as the name of one file or folder. */
export const FILE_NAME = /^(?!\.{1,2}$)[^<>:"/\\|?*\x00-\x1f]{1,200}$/;
const KEY_NAME = /^[^/\\\x00-\x1f]{1,200}$/;

/**
 * Follows an install section and the sections of the same file that it needs.
 *
 * @throws TdError `invalid` naming the part that cannot be: a service or file name, more than 32 services.
 */
export function readInstallation(inf: Inf, installSection: string, system: InfSystem): InfInstallation {
  const section = platformSection(inf, installSection, system);
  if (!KEY_NAME.test(section))
    throw new TdError('invalid', 'it has an install section without a usable name');
  const withNeeded = (suffix: string) => {
    const full = `${section}${suffix}`;
    return [full, ...infValues(inf, full, 'Needs')];
  };
  const adds = withNeeded('.Services').flatMap((name) =>
    infSection(inf, name).filter(({ key }) => key.toLowerCase() === 'addservice'),
  );
  const sources = readCopies(inf, withNeeded(''));
  const named = adds.filter(({ values }) => values[0] !== undefined && values[0] !== '');
  if (named.length > SERVICES_MAX)
    throw new TdError('invalid', `[${section}] adds more than ${SERVICES_MAX} services`);
  return {
    section,
    services: named.map(({ values }) => {
      const service = readService(inf, values);
      return { ...service, sourceName: sources.get(service.fileName.toLowerCase()) ?? service.fileName };
    }),
    deviceRegistry: withNeeded('.HW').flatMap((name) => readAddReg(inf, name)),
  };
}

/** Source names by target names in lower case, of `CopyFiles=@file` and of lines `target, source`. */
function readCopies(inf: Inf, sections: readonly string[]): Map<string, string> {
  const lists = sections.flatMap((section) => infValues(inf, section, 'CopyFiles'));
  const lines = lists.filter((list) => !list.startsWith('@')).flatMap((list) => infSection(inf, list));
  return new Map(
    lines.map(({ key, values }) => {
      const [target = '', source = ''] = key === '' ? values : [key, ...values];
      return [target.toLowerCase(), FILE_NAME.test(source) ? source : target];
    }),
  );
}

function readService(inf: Inf, values: readonly string[]): Omit<InfService, 'sourceName'> {
  const [name = '', flags = '', section = ''] = values;
  const number = (key: string, fallback: number) => infNumber(infValue(inf, section, key)) ?? fallback;
  // The folder is left out: drivers that must be there at start all go to one place.
  const fileName =
    infValue(inf, section, 'ServiceBinary')
      .split(/[\\/%]/)
      .at(-1) ?? '';
  if (!KEY_NAME.test(name)) throw new TdError('invalid', `"${name}" is no name of a service`);
  if (!FILE_NAME.test(fileName)) throw new TdError('invalid', `the service ${name} has no file`);
  return {
    name,
    displayName: infValue(inf, section, 'DisplayName'),
    isFunctionDriver: ((infNumber(flags) ?? 0) & FUNCTION_DRIVER_FLAG) !== 0,
    type: number('ServiceType', KERNEL_DRIVER),
    start: number('StartType', DEMAND_START),
    errorControl: number('ErrorControl', NORMAL_ERROR),
    group: infValue(inf, section, 'LoadOrderGroup'),
    fileName,
    registry: readAddReg(inf, section, { machinePath: `SYSTEM\\CurrentControlSet\\Services\\${name}` }),
  };
}
