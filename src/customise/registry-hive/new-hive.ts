import { BASE, BASE_SIGNATURE, baseChecksum, filetimeOf } from './base-block.ts';
import {
  BASE_BLOCK_BYTES,
  BIN_ALIGN_BYTES,
  BIN_HEADER_BYTES,
  CELL_HEADER_BYTES,
  KEY_FLAG,
  NK,
  NOWHERE,
  SIGNATURE,
  SK,
} from './cell-layout.ts';

const ROOT_NAME = 'ROOT';
const MINOR = 5;

/** Owner Administrators, group SYSTEM; both may do everything, here and below. */
const ROOT_DESCRIPTOR = Buffer.from(
  [
    '01000480', // revision 1; self-relative, with an access list
    '48000000580000000000000014000000', // owner, group, no audit list, access list
    '0200340002000000', // access list of 2 entries
    '000214003f000f00010100000000000512000000', // allow, inherited by subkeys, all, S-1-5-18
    '000218003f000f0001020000000000052000000020020000', // the same for S-1-5-32-544
    '01020000000000052000000020020000',
    '010100000000000512000000',
  ].join(''),
  'hex',
);

/** The bytes of a hive with one bin and nothing but its root. */
export function newHiveBytes(now: Date): Buffer {
  const bytes = Buffer.alloc(BASE_BLOCK_BYTES + BIN_ALIGN_BYTES);
  const time = filetimeOf(now);
  const rootCell = BIN_HEADER_BYTES;
  const rootBytes = alignCell(NK.name + ROOT_NAME.length);
  const securityBytes = alignCell(SK.descriptor + ROOT_DESCRIPTOR.length);
  const freeCell = rootCell + rootBytes + securityBytes;
  putBase(bytes, { rootCell, time });
  const bin = bytes.subarray(BASE_BLOCK_BYTES);
  bin.write('hbin', 0, 'latin1');
  bin.writeUInt32LE(BIN_ALIGN_BYTES, 8);
  bin.writeBigUInt64LE(time, 20);
  bin.writeInt32LE(-rootBytes, rootCell);
  putRoot(bin.subarray(rootCell + CELL_HEADER_BYTES), { security: rootCell + rootBytes, time });
  bin.writeInt32LE(-securityBytes, rootCell + rootBytes);
  putSecurity(bin.subarray(rootCell + rootBytes + CELL_HEADER_BYTES), rootCell + rootBytes);
  bin.writeInt32LE(BIN_ALIGN_BYTES - freeCell, freeCell);
  bytes.writeUInt32LE(baseChecksum(bytes), BASE.checksum);
  return bytes;
}

function alignCell(dataBytes: number): number {
  return Math.ceil((dataBytes + CELL_HEADER_BYTES) / 8) * 8;
}

function putBase(base: Buffer, { rootCell, time }: { rootCell: number; time: bigint }): void {
  base.write(BASE_SIGNATURE, BASE.signature, 'latin1');
  base.writeUInt32LE(1, BASE.primarySequence);
  base.writeUInt32LE(1, BASE.secondarySequence);
  base.writeBigUInt64LE(time, BASE.lastWritten);
  base.writeUInt32LE(1, BASE.major);
  base.writeUInt32LE(MINOR, BASE.minor);
  base.writeUInt32LE(1, BASE.fileFormat);
  base.writeUInt32LE(rootCell, BASE.rootCell);
  base.writeUInt32LE(BIN_ALIGN_BYTES, BASE.binsBytes);
  base.writeUInt32LE(1, BASE.clustering);
}

function putRoot(root: Buffer, { security, time }: { security: number; time: bigint }): void {
  root.writeUInt16LE(SIGNATURE.nk);
  root.writeUInt16LE(KEY_FLAG.rootOfHive | KEY_FLAG.noDelete | KEY_FLAG.compressedName, NK.flags);
  root.writeBigUInt64LE(time, NK.lastWritten);
  for (const field of [NK.parent, NK.subkeyList, NK.volatileList, NK.valueList, NK.className]) {
    root.writeUInt32LE(NOWHERE, field);
  }
  root.writeUInt32LE(security, NK.security);
  root.writeUInt16LE(ROOT_NAME.length, NK.nameBytes);
  root.write(ROOT_NAME, NK.name, 'latin1');
}

function putSecurity(cell: Buffer, offset: number): void {
  cell.writeUInt16LE(SIGNATURE.sk);
  cell.writeUInt32LE(offset, SK.next);
  cell.writeUInt32LE(offset, SK.previous);
  cell.writeUInt32LE(1, SK.references);
  cell.writeUInt32LE(ROOT_DESCRIPTOR.length, SK.descriptorBytes);
  ROOT_DESCRIPTOR.copy(cell, SK.descriptor);
}
