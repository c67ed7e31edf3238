import { TdError } from '../../lib/errors.ts';
import { ATTRIBUTE, undoFixups } from './ntfs-acl-record.ts';
import type { NtfsVolume } from './ntfs-acl-volume.ts';

const LOG_RECORD = 2;
const VOLUME_RECORD = 3;
const VOLUME_IS_DIRTY = 0x0001;
const VOLUME_IS_CLEAN = 0x0002;
const NO_CLIENT = 0xffff;
const RESTART_PAGE_BYTES = 4096;

/**
 * What is pending in the volume's journal would undo or mix with changes made behind its back.
 *
 * @throws TdError `refused` when Windows did not close the volume.
 */
export async function checkIsClosed(volume: NtfsVolume): Promise<void> {
  const refuse = (why: string) =>
    new TdError(
      'refused',
      `Cannot change the permissions of the volume: ${why}; start Windows once and shut it down`,
    );
  const [information] = await volume.attributes(VOLUME_RECORD, {
    type: ATTRIBUTE.volumeInformation,
    name: '',
  });
  const value = information?.value;
  if (value === undefined || value.length < 12)
    throw new TdError('invalid', 'Cannot read $Volume: run chkdsk');
  if ((value.readUInt16LE(10) & VOLUME_IS_DIRTY) !== 0) throw refuse('it is marked to be checked');
  const log = await volume.stream(LOG_RECORD, { type: ATTRIBUTE.data, name: '' });
  const length = Math.min(log.dataBytes, 2 * RESTART_PAGE_BYTES);
  if (!isCleanLog(await volume.read(log, { at: 0, length }))) throw refuse('its journal was not closed');
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
