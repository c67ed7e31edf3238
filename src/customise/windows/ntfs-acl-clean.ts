import { TdError } from '../../lib/errors.ts';
import { ATTRIBUTE, undoFixups } from './ntfs-acl-record.ts';
import type { NtfsVolume } from './ntfs-acl-volume.ts';

const LOG_RECORD = 2;
const VOLUME_IS_CLEAN = 0x0002;
const NO_CLIENT = 0xffff;
const RESTART_PAGE_BYTES = 4096;

/**
 * What is pending in the volume's journal would undo or mix with changes made behind its back. A volume that is only
 * marked to be checked is none the worse: its permissions are changed when all of them fit together, or not at all.
 *
 * @throws TdError `refused` when its journal was not closed.
 */
export async function checkIsClosed(volume: NtfsVolume): Promise<void> {
  const log = await volume.stream(LOG_RECORD, { type: ATTRIBUTE.data, name: '' });
  const length = Math.min(log.dataBytes, 2 * RESTART_PAGE_BYTES);
  if (isCleanLog(await volume.read(log, { at: 0, length }))) return;
  throw new TdError(
    'refused',
    'Cannot change the permissions of the volume: its journal was not closed; start Windows once and shut it down',
  );
}

/**
 * @param bytes the first two pages of $LogFile, of which the one that was written last counts.
 * @see https://flatcap.github.io/linux-ntfs/ntfs/files/logfile.html
 */
export function isCleanLog(bytes: Buffer): boolean {
  // Emptied, as ntfs-3g leaves it after it found it clean.
  if (bytes.every((byte) => byte === 0xff)) return true;
  let last: { sequence: bigint; isClean: boolean } | undefined;
  for (let at = 0; at + RESTART_PAGE_BYTES <= bytes.length; at += RESTART_PAGE_BYTES) {
    const page = restartPage(Buffer.from(bytes.subarray(at, at + RESTART_PAGE_BYTES)));
    if (page !== undefined && (last === undefined || page.sequence > last.sequence)) last = page;
  }
  return last?.isClean ?? false;
}

function restartPage(bytes: Buffer): { sequence: bigint; isClean: boolean } | undefined {
  if (!undoFixups(bytes, 'RSTR')) return undefined;
  const areaAt = bytes.readUInt16LE(0x18);
  if (areaAt + 16 > bytes.length) return undefined;
  const isClean =
    bytes.readUInt16LE(areaAt + 12) === NO_CLIENT ||
    (bytes.readUInt16LE(areaAt + 14) & VOLUME_IS_CLEAN) !== 0;
  return { sequence: bytes.readBigUInt64LE(areaAt), isClean };
}
