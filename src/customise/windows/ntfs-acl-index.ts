import { TdError } from '../../lib/errors.ts';
import { ATTRIBUTE, type NtfsRecord, undoFixups, withFixups } from './ntfs-acl-record.ts';
import type { NtfsStream, NtfsVolume, VolumeWrite } from './ntfs-acl-volume.ts';

const ENTRY_HEADER_BYTES = 16;
const ENTRY_HAS_CHILD = 1;
const ENTRY_IS_LAST = 2;
const ROOT_HEADER_AT = 0x10;
const BLOCK_HEADER_AT = 0x18;
const LEVELS_MAX = 16;
const BLOCKS_MAX = 1_000_000;
const BLOCK_BYTES_MAX = 64 * 1024;

/** A part of an index that is stored as a whole: its root in a file record, or a block of its own. */
interface IndexNode {
  bytes: Buffer;
  isChanged: boolean;
  writes(): VolumeWrite[];
}

/** Where one entry of an index lies. */
export interface IndexSlot {
  node: IndexNode;
  /** Key and data as stored; a view. */
  content: Buffer;
  key: Buffer;
  data: Buffer;
}

/** All entries of an index of an NTFS file, in its order. */
export interface NtfsIndex {
  slots: IndexSlot[];
  nodes: IndexNode[];
}

/**
 * Reads a whole index. Its tree keeps its shape when entries of one size change places, so an index is changed
 * by putting other content into its slots.
 *
 * @throws TdError `invalid` when it makes no sense.
 * @see https://flatcap.github.io/linux-ntfs/ntfs/concepts/index_record.html
 */
export async function readIndex(
  volume: NtfsVolume,
  file: { record: number; name: string },
): Promise<NtfsIndex> {
  const { name } = file;
  const problem = (why: string) =>
    new TdError('invalid', `Cannot read the index ${name} of the volume: ${why}; run chkdsk`);
  const [root] = await volume.attributes(file.record, { type: ATTRIBUTE.indexRoot, name });
  if (root?.value === undefined || root.value.length < ROOT_HEADER_AT + 16) throw problem('it has no root');
  const blockBytes = root.value.readUInt32LE(8);
  if (blockBytes % 512 !== 0 || blockBytes === 0 || blockBytes > BLOCK_BYTES_MAX)
    throw problem(`its blocks have ${blockBytes} bytes`);
  const allocation = { type: ATTRIBUTE.indexAllocation, name };
  const parts = await volume.attributes(file.record, allocation);
  const blocks = parts.length === 0 ? undefined : await volume.stream(file.record, allocation);
  const unitBytes = volume.clusterBytes <= blockBytes ? volume.clusterBytes : 512;
  const index: NtfsIndex = { slots: [], nodes: [] };
  const visited = new Set<number>();

  const visit = async (node: IndexNode, headerAt: number, level: number): Promise<void> => {
    index.nodes.push(node);
    for (const entry of entriesOf(node.bytes, headerAt, problem)) {
      if (entry.childVcn !== undefined) {
        if (blocks === undefined || level >= LEVELS_MAX) throw problem('it is too deep');
        if (visited.has(entry.childVcn) || visited.size >= BLOCKS_MAX) throw problem('it leads in circles');
        visited.add(entry.childVcn);
        const place = { blocks, at: entry.childVcn * unitBytes, blockBytes, vcn: entry.childVcn };
        await visit(await readBlock(volume, place, problem), BLOCK_HEADER_AT, level + 1);
      }
      if (!entry.isLast) index.slots.push(slotOf(node, entry.bytes, problem));
    }
  };
  await visit(rootNode(volume, root.record, root.value), ROOT_HEADER_AT, 0);
  return index;
}

/** What is to be written of an index that was changed in its slots. */
export function indexWrites(index: NtfsIndex): VolumeWrite[] {
  return index.nodes.filter((node) => node.isChanged).flatMap((node) => node.writes());
}

function rootNode(volume: NtfsVolume, record: NtfsRecord, value: Buffer): IndexNode {
  return { bytes: value, isChanged: false, writes: () => volume.recordWrites(record) };
}

interface BlockPlace {
  blocks: NtfsStream;
  at: number;
  blockBytes: number;
  vcn: number;
}

type Problem = (why: string) => TdError;

async function readBlock(volume: NtfsVolume, place: BlockPlace, problem: Problem): Promise<IndexNode> {
  if (place.at + place.blockBytes > place.blocks.dataBytes) throw problem('it leads beyond its end');
  const bytes = await volume.read(place.blocks, { at: place.at, length: place.blockBytes });
  if (!undoFixups(bytes, 'INDX')) throw problem('a block is torn');
  if (bytes.readBigUInt64LE(0x10) !== BigInt(place.vcn)) throw problem('a block lies in a wrong place');
  const writes = () => volume.writes(place.blocks, place.at, withFixups(bytes));
  return { bytes, isChanged: false, writes };
}

interface IndexEntry {
  bytes: Buffer;
  isLast: boolean;
  childVcn?: number;
}

function entriesOf(bytes: Buffer, headerAt: number, problem: Problem): IndexEntry[] {
  const entries: IndexEntry[] = [];
  let at = headerAt + bytes.readUInt32LE(headerAt);
  const end = headerAt + bytes.readUInt32LE(headerAt + 4);
  if (end > bytes.length) throw problem('its entries end beyond their block');
  for (;;) {
    const lengthBytes = at + ENTRY_HEADER_BYTES <= end ? bytes.readUInt16LE(at + 8) : 0;
    if (lengthBytes < ENTRY_HEADER_BYTES || at + lengthBytes > end)
      throw problem('an entry has a wrong length');
    const flags = bytes.readUInt16LE(at + 12);
    const hasChild = (flags & ENTRY_HAS_CHILD) !== 0;
    const childAt = lengthBytes - 8;
    if (hasChild && childAt < ENTRY_HEADER_BYTES) throw problem('an entry has no room for its child');
    const entry: IndexEntry = {
      bytes: bytes.subarray(at, at + (hasChild ? childAt : lengthBytes)),
      isLast: (flags & ENTRY_IS_LAST) !== 0,
    };
    if (hasChild) {
      const vcn = bytes.readBigUInt64LE(at + childAt);
      if (vcn > 2n ** 40n) throw problem('an entry leads out of the volume');
      entry.childVcn = Number(vcn);
    }
    entries.push(entry);
    if (entry.isLast) return entries;
    at += lengthBytes;
  }
}

function slotOf(node: IndexNode, entry: Buffer, problem: Problem): IndexSlot {
  const dataAt = entry.readUInt16LE(0);
  const dataBytes = entry.readUInt16LE(2);
  const keyBytes = entry.readUInt16LE(10);
  if (ENTRY_HEADER_BYTES + keyBytes > dataAt || dataAt + dataBytes > entry.length) {
    throw problem('an entry overlaps another');
  }
  return {
    node,
    content: entry.subarray(ENTRY_HEADER_BYTES),
    key: entry.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + keyBytes),
    data: entry.subarray(dataAt, dataAt + dataBytes),
  };
}
