import { basename } from 'node:path';
import type { GetOptions } from '../control/service-client.ts';
import { customiseDisk } from '../customise/customise-disk.ts';
import { filesByPieces } from '../customise/file-source.ts';
import { readMachineFacts } from '../customise/machine-facts.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { loopOverPartition } from '../disk/partition-node.ts';
import { TdError } from '../lib/errors.ts';
import { type Customisation, customisationSchema } from '../schema/customisation.ts';
import type { Partition } from '../schema/disk-layout.ts';
import type { EditResult } from '../schema/edit-result.ts';
import { EDITS_MAX } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';
import { type GetFromConsole, getAgain } from './image-fetch.ts';

/** Twenty thousand files by name, size and hash. */
const CUSTOMISATION_BYTES_MAX = 64 * 1024 * 1024;
const CUSTOMISING_MS_MAX = 2 * 3_600_000;
/** All edits of a report together: it is one message. */
const EDIT_CHARS_MAX = 200_000;

/**
 * What this computer is to become. Its passwords are readable: it is for this process's memory alone.
 *
 * @throws TdError `invalid` when it makes no sense, without any of it; as the image service.
 */
export async function fetchCustomisation(
  path: string,
  options: { get: GetFromConsole; signal: AbortSignal },
): Promise<Customisation> {
  const bytesMax = CUSTOMISATION_BYTES_MAX;
  const bytes = await getAgain(`${path}/customisation`, { ...options, bytesMax });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    value = undefined;
  }
  const parsed = customisationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TdError(
    'invalid',
    `Cannot use what the console wants changed: "${issue?.path.join('.') ?? ''}" is not as it must be; use one version everywhere`,
  );
}

export interface CustomisingOptions {
  device: Pick<BlockDevice, 'path' | 'logicalSectorBytes'>;
  partitions: readonly Partition[];
  customisation: Customisation;
  /** Of the job's files. */
  path: string;
  get(path: string, options: GetOptions): Promise<Buffer>;
  machine: Machine;
  signal: AbortSignal;
  onEdit(text: string): void;
  onBytes(bytes: number): void;
}

/** Changes the systems on the deployed disk. @throws TdError as `customiseDisk`; `timeout`. */
export async function customiseDevice(options: CustomisingOptions): Promise<EditResult[]> {
  const { device, partitions, customisation, path, get, machine, onEdit, onBytes } = options;
  const late = new AbortController();
  const hours = CUSTOMISING_MS_MAX / 3_600_000;
  const reason = new TdError('timeout', `Changing the deployed system did not end in ${hours} hours`);
  const timer = setTimeout(() => late.abort(reason), CUSTOMISING_MS_MAX);
  const signal = AbortSignal.any([options.signal, late.signal]);
  const read = (file: { sha256: string }, range: { first: number; last: number }) =>
    getAgain(`${path}/files/${file.sha256}`, {
      get: (at, getOptions) => get(at, { ...getOptions, range }),
      signal,
      bytesMax: range.last - range.first + 1,
    });
  try {
    return await customiseDisk({
      ...{ partitions, customisation, signal, onEdit },
      attach: (partition) => loopOverPartition(device, partition, { readOnly: false }),
      machine: await readMachineFacts({ macs: macsOf(machine), diskName: basename(device.path) }),
      openFile: filesByPieces(read, { signal, onBytes }),
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The card of the console's network first: it is the one that surely has a cable. */
function macsOf({ nics }: Machine): string[] {
  const rank = (nic: Machine['nics'][number]) => (nic.addresses.length > 0 ? 0 : nic.link ? 1 : 2);
  return nics.toSorted((a, b) => rank(a) - rank(b) || (a.mac < b.mac ? -1 : 1)).map((nic) => nic.mac);
}

/** How many bytes of files it takes. */
export function fileBytes({ files, drivers }: Customisation): number {
  const entries = [...files, ...drivers].flatMap((set) => set.entries);
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Why a disk that was deployed well is no success; empty when every edit is done or needless. */
export function editsProblem(edits: readonly EditResult[]): string {
  const failed = edits.filter(({ result }) => result === 'failed');
  const [first] = failed;
  if (first === undefined) return '';
  return `the disk is deployed and starts, but ${failed.length} of ${edits.length} changes failed: ${first.text}: ${first.reason}`;
}

/** As many as a report takes; of too many the failed ones are kept. */
export function reportedEdits(edits: readonly EditResult[]): EditResult[] {
  let charsLeft = EDIT_CHARS_MAX;
  const ranked = [...edits.entries()].toSorted(
    ([i, a], [j, b]) => Number(b.result === 'failed') - Number(a.result === 'failed') || i - j,
  );
  const kept = ranked.slice(0, EDITS_MAX).filter(([, { text, reason }]) => {
    charsLeft -= text.length + reason.length;
    return charsLeft > 0;
  });
  return kept.toSorted(([i], [j]) => i - j).map(([, edit]) => edit);
}
