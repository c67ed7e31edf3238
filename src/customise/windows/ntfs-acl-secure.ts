import { TdError } from '../../lib/errors.ts';
import { indexWrites, type NtfsIndex, readIndex } from './ntfs-acl-index.ts';
import { ATTRIBUTE } from './ntfs-acl-record.ts';
import type { NtfsStream, NtfsVolume, VolumeWrite } from './ntfs-acl-volume.ts';
import { replaceSid, type SidPattern } from './sid-patterns.ts';

const SECURE_RECORD = 9;
/** Of an entry in $SDS, and of the data in both indexes: hash, id, offset, length. */
const HEADER_BYTES = 20;
const ALIGN_BYTES = 16;
/** Every block of descriptors is followed by a copy of it. */
const BLOCK_BYTES = 256 * 1024;
/** A server with a million files has about 30 MiB. */
const STREAM_BYTES_MAX = 1024 * 1024 * 1024;
const WRITE_BYTES = 64 * 1024;

interface SecurityEntry {
  id: number;
  hash: number;
  /** In $SDS. */
  at: number;
  /** Header and descriptor, a view into $SDS. */
  bytes: Buffer;
  /** A view into $SDS. */
  descriptor: Buffer;
}

/** All permissions of a volume: the descriptors, and the indexes of them by id and by hash. */
export interface NtfsSecurity {
  stream: NtfsStream;
  sds: Buffer;
  entries: SecurityEntry[];
  byId: NtfsIndex;
  byHash: NtfsIndex;
  changed: Set<SecurityEntry>;
}

/** @throws TdError `invalid` unless descriptors and both indexes fit each other in every entry. */
export async function readSecurity(volume: NtfsVolume): Promise<NtfsSecurity> {
  const stream = await volume.stream(SECURE_RECORD, { type: ATTRIBUTE.data, name: '$SDS' });
  if (stream.dataBytes > STREAM_BYTES_MAX) throw problem(`there are ${stream.dataBytes} bytes of them`);
  const sds = await volume.read(stream, { at: 0, length: stream.dataBytes });
  const byId = await readIndex(volume, { record: SECURE_RECORD, name: '$SII' });
  const byHash = await readIndex(volume, { record: SECURE_RECORD, name: '$SDH' });
  const entries = byId.slots.map(({ key, data }) => {
    if (key.length !== 4 || data.length !== HEADER_BYTES) throw problem('the index by id has another form');
    return decodeEntry(sds, data, key.readUInt32LE(0));
  });
  checkByHash(byHash, entries);
  return { stream, sds, entries, byId, byHash, changed: new Set() };
}

function problem(why: string): TdError {
  return new TdError('invalid', `Cannot read the permissions of the volume: ${why}; run chkdsk`);
}

function decodeEntry(sds: Buffer, header: Buffer, id: number): SecurityEntry {
  const offset = header.readBigUInt64LE(8);
  const lengthBytes = header.readUInt32LE(16);
  const at = offset < BigInt(sds.length) ? Number(offset) : sds.length;
  const inBlock = at % (2 * BLOCK_BYTES);
  const fits =
    at % ALIGN_BYTES === 0 &&
    lengthBytes > HEADER_BYTES &&
    inBlock + lengthBytes <= BLOCK_BYTES &&
    at + lengthBytes <= sds.length;
  if (!fits) throw problem(`descriptor ${id} lies outside`);
  const bytes = sds.subarray(at, at + lengthBytes);
  const descriptor = bytes.subarray(HEADER_BYTES);
  const hash = header.readUInt32LE(0);
  if (!bytes.subarray(0, HEADER_BYTES).equals(header) || header.readUInt32LE(4) !== id) {
    throw problem(`descriptor ${id} is another one in the index`);
  }
  if (descriptorHash(descriptor) !== hash) throw problem(`descriptor ${id} has another hash`);
  return { id, hash, at, bytes, descriptor };
}

function checkByHash(byHash: NtfsIndex, entries: readonly SecurityEntry[]): void {
  if (byHash.slots.length !== entries.length) throw problem('the two indexes differ in length');
  const known = new Map(entries.map((entry) => [entry.id, entry]));
  let before = { hash: -1, id: -1 };
  for (const { key, data, content } of byHash.slots) {
    const hasForm =
      key.length === 8 && data.length >= HEADER_BYTES && content.length === byHash.slots[0]?.content.length;
    if (!hasForm) throw problem('the index by hash has another form');
    const [hash, id] = [key.readUInt32LE(0), key.readUInt32LE(4)];
    const entry = known.get(id);
    if (
      entry === undefined ||
      !data.subarray(0, HEADER_BYTES).equals(entry.bytes.subarray(0, HEADER_BYTES))
    ) {
      throw problem(`descriptor ${id} is another one in the index by hash`);
    }
    if (hash !== entry.hash || hash < before.hash || (hash === before.hash && id <= before.id)) {
      throw problem('the index by hash is not in order');
    }
    before = { hash, id };
  }
}

/** The hash by which NTFS finds a descriptor: over its 32-bit words, rotated by three each. */
export function descriptorHash(descriptor: Buffer): number {
  let hash = 0;
  for (let at = 0; at + 4 <= descriptor.length; at += 4) {
    hash = (descriptor.readUInt32LE(at) + ((hash << 3) | (hash >>> 29))) >>> 0;
  }
  return hash;
}

/** Replaces the SID in all descriptors, in memory; gives the ids of those that held it. */
export function replaceInSecurity(security: NtfsSecurity, patterns: readonly SidPattern[]): Set<number> {
  const changed = security.entries.filter((entry) => replaceSid(entry.descriptor, patterns) > 0);
  for (const entry of changed) {
    entry.hash = descriptorHash(entry.descriptor);
    entry.bytes.writeUInt32LE(entry.hash, 0);
    const copyAt = entry.at + BLOCK_BYTES;
    if (copyAt + entry.bytes.length > security.sds.length)
      throw problem(`descriptor ${entry.id} has no copy`);
    entry.bytes.copy(security.sds, copyAt);
    security.changed.add(entry);
  }
  const ids = new Set(changed.map((entry) => entry.id));
  if (ids.size > 0) renewIndexes(security, ids);
  return ids;
}

function renewIndexes({ entries, byId, byHash }: NtfsSecurity, ids: ReadonlySet<number>): void {
  const hashes = new Map(entries.map((entry) => [entry.id, entry.hash]));
  for (const { key, data, node } of byId.slots) {
    const id = key.readUInt32LE(0);
    if (!ids.has(id)) continue;
    data.writeUInt32LE(hashes.get(id)!, 0);
    node.isChanged = true;
  }
  const contents = byHash.slots.map(({ content, data, key }) => {
    const [id, renewed] = [key.readUInt32LE(4), Buffer.from(content)];
    const hash = hashes.get(id)!;
    renewed.writeUInt32LE(hash, 0);
    renewed.writeUInt32LE(hash, data.byteOffset - content.byteOffset);
    return { hash, id, renewed };
  });
  contents.sort((a, b) => a.hash - b.hash || a.id - b.id);
  for (const [i, { content, node }] of byHash.slots.entries()) {
    const { renewed } = contents[i]!;
    if (renewed.equals(content)) continue;
    renewed.copy(content);
    node.isChanged = true;
  }
}

/** What is to be written after {@link replaceInSecurity}. */
export function securityWrites(volume: NtfsVolume, security: NtfsSecurity): VolumeWrite[] {
  const { stream, sds } = security;
  const parts = new Set<number>();
  for (const { at, bytes } of security.changed) {
    for (const start of [at, at + BLOCK_BYTES]) {
      const last = Math.floor((start + bytes.length - 1) / WRITE_BYTES);
      for (let part = Math.floor(start / WRITE_BYTES); part <= last; part += 1) parts.add(part);
    }
  }
  const end = Math.min(sds.length, stream.initialisedBytes);
  const descriptors = [...parts].flatMap((part) => {
    const at = part * WRITE_BYTES;
    return volume.writes(stream, at, sds.subarray(at, Math.min(at + WRITE_BYTES, end)));
  });
  return [...descriptors, ...indexWrites(security.byId), ...indexWrites(security.byHash)];
}
