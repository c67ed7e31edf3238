import { ATTRIBUTE, attributesOf, decodeRecord, type NtfsAttribute } from './ntfs-acl-record.ts';
import { joinStream, type NtfsVolume, type VolumeWrite } from './ntfs-acl-volume.ts';
import { replaceSid, type SidPattern } from './sid-patterns.ts';

const BATCH_BYTES = 4 * 1024 * 1024;
/** In $STANDARD_INFORMATION of NTFS 3.0 and later. */
const SECURITY_ID_AT = 0x34;
/** Windows allows no larger descriptor. */
const DESCRIPTOR_BYTES_MAX = 64 * 1024;

/**
 * Goes through all files: counts those with one of the changed descriptors, and replaces the SID in descriptors that
 * files keep for themselves, as NTFS did before 3.0 and still does in its own files.
 */
export async function replaceInRecords(
  volume: NtfsVolume,
  options: { changedIds: ReadonlySet<number>; patterns: readonly SidPattern[]; signal?: AbortSignal },
): Promise<{ changedFiles: number; writes: VolumeWrite[] }> {
  const { changedIds, patterns, signal } = options;
  const { mft, recordBytes } = volume;
  const end = Math.floor(mft.initialisedBytes / recordBytes) * recordBytes;
  const writes: VolumeWrite[] = [];
  let changedFiles = 0;
  for (let at = 0; at < end; at += BATCH_BYTES) {
    signal?.throwIfAborted();
    const batch = await volume.read(mft, { at, length: Math.min(BATCH_BYTES, end - at) });
    for (let inBatch = 0; inBatch < batch.length; inBatch += recordBytes) {
      const number = (at + inBatch) / recordBytes;
      const stored = batch.subarray(inBatch, inBatch + recordBytes);
      const record = volume.knownRecord(number) ?? decodeRecord(stored, number);
      if (record === undefined) continue;
      let isChanged = false;
      for (const attribute of attributesOf(record, [
        ATTRIBUTE.standardInformation,
        ATTRIBUTE.securityDescriptor,
      ])) {
        if (attribute.type === ATTRIBUTE.standardInformation)
          isChanged ||= hasChangedId(attribute, changedIds);
        else {
          const own = await replaceInOwn(volume, attribute, patterns);
          writes.push(...own);
          isChanged ||= own.length > 0;
        }
      }
      if (isChanged) changedFiles += 1;
    }
  }
  return { changedFiles, writes };
}

function hasChangedId({ value }: NtfsAttribute, changedIds: ReadonlySet<number>): boolean {
  return (
    value !== undefined &&
    value.length >= SECURITY_ID_AT + 4 &&
    changedIds.has(value.readUInt32LE(SECURITY_ID_AT))
  );
}

async function replaceInOwn(
  volume: NtfsVolume,
  attribute: NtfsAttribute,
  patterns: readonly SidPattern[],
): Promise<VolumeWrite[]> {
  const { value, record } = attribute;
  if (value !== undefined) return replaceSid(value, patterns) > 0 ? volume.recordWrites(record) : [];
  const stream = joinStream([attribute], `the descriptor of NTFS file record ${record.number}`);
  const length = Math.min(stream.initialisedBytes, DESCRIPTOR_BYTES_MAX);
  const bytes = await volume.read(stream, { at: 0, length });
  return replaceSid(bytes, patterns) > 0 ? volume.writes(stream, 0, bytes) : [];
}
