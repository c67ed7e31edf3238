import type { FileHandle } from 'node:fs/promises';
import { ByteReader } from '../../lib/bytes.ts';
import { TdError } from '../../lib/errors.ts';
import {
  ATTRIBUTE,
  attributesOf,
  decodeRecord,
  type NtfsAttribute,
  type NtfsRecord,
  type Run,
  withFixups,
} from './ntfs-acl-record.ts';

const MFT_RECORD = 0;
const ATTRIBUTE_LIST_BYTES_MAX = 1024 * 1024;
const EXTENSIONS_MAX = 10_000;

/** Bytes of one attribute that lie in clusters. */
export interface NtfsStream {
  runs: Run[];
  dataBytes: number;
  /** Beyond it everything reads as zeros, whatever the clusters hold. */
  initialisedBytes: number;
}

/** One change of the volume's bytes. */
export interface VolumeWrite {
  offsetBytes: number;
  bytes: Buffer;
}

/** Reads metadata of an NTFS volume that nobody has mounted, and says where its bytes are to be written. */
export class NtfsVolume {
  readonly clusterBytes: number;
  readonly recordBytes: number;
  readonly #handle: FileHandle;
  readonly #mirror: { offsetBytes: number; records: number };
  /** One object a record: whoever changes an attribute changes what all others see and store. */
  readonly #records = new Map<number, NtfsRecord>();
  #mft: NtfsStream;

  private constructor(handle: FileHandle, boot: BootSector) {
    this.#handle = handle;
    this.clusterBytes = boot.clusterBytes;
    this.recordBytes = boot.recordBytes;
    // The mirror holds four records, or as many as one cluster does (mkntfs, Windows).
    const records = Math.max(4, Math.floor(boot.clusterBytes / boot.recordBytes));
    this.#mirror = { offsetBytes: boot.mirrorCluster * boot.clusterBytes, records };
    this.#mft = {
      runs: [{ vcn: 0, lcn: boot.mftCluster, clusters: Math.ceil(boot.recordBytes / boot.clusterBytes) }],
      dataBytes: boot.recordBytes,
      initialisedBytes: boot.recordBytes,
    };
  }

  /** @throws TdError `invalid` when it is no NTFS volume or makes no sense. */
  static async open(handle: FileHandle): Promise<NtfsVolume> {
    const volume = new NtfsVolume(handle, decodeBootSector(await readAt(handle, 0, 512)));
    // The first part of the table is enough to find the records that say where its other parts are.
    const firstPart = attributesOf(await volume.record(MFT_RECORD), [ATTRIBUTE.data]);
    volume.#mft = joinStream(firstPart, 'the master file table');
    volume.#mft = await volume.stream(MFT_RECORD, { type: ATTRIBUTE.data, name: '' });
    return volume;
  }

  get mft(): NtfsStream {
    return this.#mft;
  }

  /** A record that was read before, with the changes made to it since. */
  knownRecord(number: number): NtfsRecord | undefined {
    return this.#records.get(number);
  }

  async record(number: number): Promise<NtfsRecord> {
    const known = this.#records.get(number);
    if (known !== undefined) return known;
    const stored = await this.read(this.#mft, { at: number * this.recordBytes, length: this.recordBytes });
    const record = decodeRecord(stored, number);
    if (record === undefined) {
      throw new TdError(
        'invalid',
        `Cannot read NTFS file record ${number}: it is damaged or not in use; run chkdsk`,
      );
    }
    this.#records.set(number, record);
    return record;
  }

  /** All parts of a file's attribute, also those in records its attribute list names. */
  async attributes(number: number, wanted: { type: number; name: string }): Promise<NtfsAttribute[]> {
    const base = await this.record(number);
    const [list] = attributesOf(base, [ATTRIBUTE.attributeList]);
    const others = list === undefined ? [] : await this.#listedRecords(list);
    const parts: NtfsAttribute[] = [];
    for (const record of new Set([base, ...others])) {
      parts.push(...attributesOf(record, [wanted.type]).filter(({ name }) => name === wanted.name));
    }
    return parts;
  }

  async #listedRecords(list: NtfsAttribute): Promise<NtfsRecord[]> {
    const { number } = list.record;
    const records: NtfsRecord[] = [];
    const numbers = decodeAttributeList(list.value ?? (await this.#wholeList(list)), number);
    for (const listed of new Set(numbers)) records.push(await this.record(listed));
    return records;
  }

  async #wholeList(list: NtfsAttribute): Promise<Buffer> {
    const stream = joinStream([list], `attribute list of NTFS file record ${list.record.number}`);
    if (stream.dataBytes > ATTRIBUTE_LIST_BYTES_MAX) {
      throw new TdError(
        'invalid',
        `Cannot read NTFS file record ${list.record.number}: its attribute list has ${stream.dataBytes} bytes`,
      );
    }
    return this.read(stream, { at: 0, length: stream.dataBytes });
  }

  async stream(number: number, wanted: { type: number; name: string }): Promise<NtfsStream> {
    const what = `${wanted.name || 'data'} of NTFS file record ${number}`;
    return joinStream(await this.attributes(number, wanted), what);
  }

  /** Bytes of a stream; holes and what lies beyond the initialised part are zeros. */
  async read(stream: NtfsStream, range: { at: number; length: number }): Promise<Buffer> {
    const bytes = Buffer.alloc(range.length);
    const length = Math.min(range.length, stream.initialisedBytes - range.at);
    for (const piece of this.#pieces(stream, { at: range.at, length })) {
      if (piece.offsetBytes === undefined) continue;
      (await readAt(this.#handle, piece.offsetBytes, piece.length)).copy(bytes, piece.at - range.at);
    }
    return bytes;
  }

  /** Where bytes of a stream are to be written. @throws TdError `refused` when they fall into a hole. */
  writes(stream: NtfsStream, at: number, bytes: Buffer): VolumeWrite[] {
    if (at + bytes.length > stream.initialisedBytes) {
      throw new TdError(
        'refused',
        `Cannot write NTFS metadata at ${at}: it is beyond what was initialised; run chkdsk`,
      );
    }
    const writes: VolumeWrite[] = [];
    for (const piece of this.#pieces(stream, { at, length: bytes.length })) {
      const part = bytes.subarray(piece.at - at, piece.at - at + piece.length);
      if (piece.offsetBytes !== undefined) writes.push({ offsetBytes: piece.offsetBytes, bytes: part });
      else if (part.some((byte) => byte !== 0)) {
        throw new TdError('refused', `Cannot write NTFS metadata at ${at}: there is a hole; run chkdsk`);
      }
    }
    return writes;
  }

  /** A changed file record goes to the table and, when it is one of the first, to the table's mirror. */
  recordWrites(record: NtfsRecord): VolumeWrite[] {
    const bytes = withFixups(record.bytes);
    const writes = this.writes(this.#mft, record.number * this.recordBytes, bytes);
    if (record.number < this.#mirror.records) {
      writes.push({ offsetBytes: this.#mirror.offsetBytes + record.number * this.recordBytes, bytes });
    }
    return writes;
  }

  *#pieces(
    stream: NtfsStream,
    range: { at: number; length: number },
  ): Generator<{ at: number; length: number; offsetBytes?: number }> {
    const end = range.at + range.length;
    let at = range.at;
    for (const run of stream.runs) {
      if (at >= end) return;
      const runAt = run.vcn * this.clusterBytes;
      const runEnd = runAt + run.clusters * this.clusterBytes;
      if (at >= runEnd) continue;
      if (at < runAt) break;
      const length = Math.min(end, runEnd) - at;
      yield run.lcn === undefined
        ? { at, length }
        : { at, length, offsetBytes: run.lcn * this.clusterBytes + at - runAt };
      at += length;
    }
    if (at < end)
      throw new TdError('invalid', `Cannot find NTFS metadata at ${at}: no cluster holds it; run chkdsk`);
  }
}

/** Joins the parts of one attribute, which may be spread over several records. */
export function joinStream(parts: readonly NtfsAttribute[], what: string): NtfsStream {
  const extents = parts.flatMap((part) => (part.clusters === undefined ? [] : [part.clusters]));
  extents.sort((a, b) => a.firstVcn - b.firstVcn);
  const first = extents[0];
  if (first === undefined || first.firstVcn !== 0) {
    throw new TdError('invalid', `Cannot read ${what}: it is not there; run chkdsk`);
  }
  const runs = extents.flatMap((extent) => extent.runs);
  return {
    runs,
    dataBytes: first.dataBytes,
    initialisedBytes: Math.min(first.initialisedBytes, first.dataBytes),
  };
}

/** The numbers of the records that an $ATTRIBUTE_LIST names. */
export function decodeAttributeList(bytes: Buffer, number: number): number[] {
  const what = `attribute list of NTFS file record ${number}`;
  const numbers: number[] = [];
  let at = 0;
  while (at + 26 <= bytes.length) {
    const entry = new ByteReader(bytes.subarray(at), what);
    entry.skip(4);
    const lengthBytes = entry.u16le();
    entry.skip(10);
    numbers.push(entry.bytes(8).readUIntLE(0, 6));
    if (lengthBytes < 26 || numbers.length > EXTENSIONS_MAX) {
      throw new TdError('invalid', `Cannot read ${what}: entry ${numbers.length} makes no sense`);
    }
    at += lengthBytes;
  }
  return numbers;
}

interface BootSector {
  clusterBytes: number;
  recordBytes: number;
  mftCluster: number;
  mirrorCluster: number;
}

export function decodeBootSector(boot: Buffer): BootSector {
  const reader = new ByteReader(boot, 'NTFS boot sector');
  reader.skip(3);
  const isNtfs = reader.bytes(8).toString('latin1') === 'NTFS    ';
  const sectorBytes = reader.u16le();
  const clusterCode = reader.u8();
  // Above 128 the byte is a negative power of two (clusters over 64 KiB).
  const clusterBytes = sectorBytes * (clusterCode <= 128 ? clusterCode : 2 ** (256 - clusterCode));
  reader.skip(0x30 - 0x0e);
  const mftCluster = reader.size64le();
  const mirrorCluster = reader.size64le();
  const recordCode = reader.bytes(1).readInt8();
  const recordBytes = recordCode > 0 ? recordCode * clusterBytes : 2 ** -recordCode;
  const sane =
    isNtfs &&
    [256, 512, 1024, 2048, 4096].includes(sectorBytes) &&
    [
      512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152,
    ].includes(clusterBytes) &&
    [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].includes(recordBytes) &&
    mftCluster < 2 ** 40 &&
    mirrorCluster < 2 ** 40;
  if (!sane) throw new TdError('invalid', 'Cannot read the volume: its boot sector is not that of NTFS');
  return { clusterBytes, recordBytes, mftCluster, mirrorCluster };
}

async function readAt(handle: FileHandle, offsetBytes: number, lengthBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(lengthBytes);
  const { bytesRead } = await handle.read(bytes, 0, lengthBytes, offsetBytes);
  if (bytesRead !== lengthBytes) {
    throw new TdError(
      'invalid',
      `Cannot read ${lengthBytes} bytes at ${offsetBytes} of the volume: it ends at ${offsetBytes + bytesRead}`,
    );
  }
  return bytes;
}
