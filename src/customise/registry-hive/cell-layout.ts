/** Offsets are from the start of a cell's data, which is 4 bytes behind the cell's own offset. */

/** Points nowhere. */
export const NOWHERE = 0xffff_ffff;

export const BASE_BLOCK_BYTES = 4096;
export const BIN_HEADER_BYTES = 32;
export const BIN_ALIGN_BYTES = 4096;
export const CELL_ALIGN_BYTES = 8;
export const CELL_HEADER_BYTES = 4;

/** Two letters that begin a cell, as a little-endian number. */
export const SIGNATURE = {
  nk: 0x6b6e,
  vk: 0x6b76,
  sk: 0x6b73,
  lf: 0x666c,
  lh: 0x686c,
  li: 0x696c,
  ri: 0x6972,
  db: 0x6264,
};

export const NK = {
  flags: 2,
  lastWritten: 4,
  parent: 16,
  subkeyCount: 20,
  subkeyList: 28,
  volatileList: 32,
  valueCount: 36,
  valueList: 40,
  security: 44,
  className: 48,
  /** 16 bits; the other half of the word are flags of Windows Vista and later. */
  largestSubkeyNameBytes: 52,
  largestValueNameBytes: 60,
  largestValueDataBytes: 64,
  nameBytes: 72,
  classNameBytes: 74,
  name: 76,
} as const;

export const KEY_FLAG = {
  rootOfHive: 0x04,
  noDelete: 0x08,
  compressedName: 0x20,
  predefinedHandle: 0x40,
} as const;

export const VK = { nameBytes: 2, dataBytes: 4, data: 8, type: 12, flags: 16, name: 20 } as const;
export const VALUE_NAME_COMPRESSED = 0x01;
/** In `dataBytes`: the data itself, at most 4 bytes, is where its offset would be. */
export const DATA_RESIDENT = 0x8000_0000;

export const SK = { next: 4, previous: 8, references: 12, descriptorBytes: 16, descriptor: 20 } as const;

/** Data beyond one segment is kept as `db` from version 1.4 on. */
export const SEGMENT_BYTES = 16_344;
export const DB = { segmentCount: 2, segmentList: 4, bytes: 8 } as const;

/** Of every list of subkeys; elements follow. */
export const LIST = { count: 2, elements: 4 } as const;
