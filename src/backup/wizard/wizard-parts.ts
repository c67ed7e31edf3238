import { connectControl } from '../../control/control-client.ts';
import { type FoundConsole, findConsoles } from '../../control/discovery.ts';
import { connectService } from '../../control/service-client.ts';
import { openBlockDevice } from '../../disk/block-device.ts';
import { findConsistencyProblems } from '../../disk/consistency.ts';
import { listDisks } from '../../disk/disk-inventory.ts';
import { readDiskLayout } from '../../disk/partition-table.ts';
import { type MountedShare, mountShare, type ShareRequest } from '../../disk/share-mount.ts';
import { usedBlocks } from '../../disk/used-blocks.ts';
import { TdError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { BrowsedFolder } from '../../lib/tui/browse-page.ts';
import { PROGRAM_VERSION } from '../../lib/version.ts';
import { readMachine } from '../../preos/inventory.ts';
import { parseHostPort } from '../../schema/boot-params.ts';
import type { DiskLayout, Partition } from '../../schema/disk-layout.ts';
import type { MachineDisk } from '../../schema/machine.ts';
import { DEFAULT_PORTS, type Site } from '../../schema/site.ts';

const DISCOVERY_MS = 4000;
const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;

export interface DiskContents {
  layout: DiskLayout;
  /** What makes a backup of it need repair, by partition or of the disk; one line each with the cure. */
  problems: string[];
  /** What else is odd. */
  warnings: string[];
}

/** What the wizard learns from the computer and the network; replaced in tests. */
export interface WizardParts {
  disks(): Promise<MachineDisk[]>;
  /** @throws TdError as `readDiskLayout`. */
  contents(disk: MachineDisk): Promise<DiskContents>;
  usedBytes(disk: MachineDisk, partition: Partition, signal: AbortSignal): Promise<number>;
  consoles(signal: AbortSignal): Promise<FoundConsole[]>;
  /** Whether a console has an image of this name; also tells whether it lets this computer in at all. */
  hasImage(console: string, name: string, signal: AbortSignal): Promise<boolean>;
  mount(request: ShareRequest, signal: AbortSignal): Promise<MountedShare>;
  listFolder(path: string): Promise<BrowsedFolder>;
  suggestedPartitions(layout: DiskLayout): number[];
}

export interface PartsOptions {
  site: Site | undefined;
  logger: Logger;
  mountPoint: string;
  listFolder: WizardParts['listFolder'];
  suggestedPartitions: WizardParts['suggestedPartitions'];
}

export function pathOf(disk: MachineDisk): string {
  return `/dev/${disk.name.replaceAll('!', '/')}`;
}

export function systemParts(options: PartsOptions): WizardParts {
  const { listFolder, suggestedPartitions, mountPoint } = options;
  return {
    disks: async () => likelyMastersFirst(await listDisks()),
    contents: readContents,
    usedBytes: async (disk, partition, signal) => {
      await using device = await openBlockDevice(pathOf(disk));
      return (await usedBlocks(device, partition, { force: true, signal })).usedBytes;
    },
    consoles: (signal) => lookForConsoles(options, signal),
    hasImage: (console, name, signal) => askConsole(console, { ...options, name, signal }),
    mount: (request, signal) => mountShare(request, { mountPoint, signal }),
    listFolder,
    suggestedPartitions,
  };
}

async function readContents(disk: MachineDisk): Promise<DiskContents> {
  await using device = await openBlockDevice(pathOf(disk));
  const warnings: string[] = [];
  const layout = await readDiskLayout(device, { onWarning: (line) => warnings.push(line) });
  const found = await findConsistencyProblems(device, layout.partitions);
  return { layout, problems: found.map(({ problem, cure }) => `${problem}; ${cure}`), warnings };
}

async function lookForConsoles({ site, logger }: PartsOptions, signal: AbortSignal): Promise<FoundConsole[]> {
  const machine = await readMachine({ disks: [] });
  const interfaceAddresses = machine.nics
    .flatMap((nic) => nic.addresses)
    .map((address) => address.split('/')[0]!)
    .filter((address) => /^\d+\.\d+\.\d+\.\d+$/.test(address));
  if (interfaceAddresses.length === 0) return [];
  const certificateSha256 = site?.certificateSha256;
  return findConsoles({ interfaceAddresses, certificateSha256, waitMs: DISCOVERY_MS, logger, signal });
}

async function askConsole(
  console: string,
  options: PartsOptions & { name: string; signal: AbortSignal },
): Promise<boolean> {
  const { site, logger, name, signal } = options;
  const at = parseHostPort(console);
  if (at === undefined)
    throw new TdError('usage', `Cannot use "${console}" as the console: use HOST or HOST:PORT`);
  const client = await connectControl({
    host: at.host,
    port: at.port ?? DEFAULT_PORTS.control,
    certificateSha256: site?.certificateSha256,
    siteKey: site?.siteKey,
    role: 'backup',
    version: PROGRAM_VERSION,
    machine: await readMachine({ disks: await listDisks() }),
    logger,
    signal,
  });
  const service = connectService({
    host: client.remoteAddress,
    port: client.welcome.servicePort,
    certificateSha256: client.certificateSha256,
    token: client.welcome.serviceToken,
    signal,
  });
  try {
    const path = `/v1/images/${encodeURIComponent(name)}/manifest`;
    await service.getBuffer(path, { bytesMax: MANIFEST_BYTES_MAX, signal });
    return true;
  } catch (error) {
    if (error instanceof TdError && error.code === 'not-found') return false;
    throw error;
  } finally {
    service.close();
    client.close();
  }
}

/** A disk in a USB case is where an image goes rather than what is backed up. */
export function likelyMastersFirst(disks: readonly MachineDisk[]): MachineDisk[] {
  return [...disks].sort((a, b) => Number(a.bus === 'usb') - Number(b.bus === 'usb'));
}
