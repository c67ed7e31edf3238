/** The constants of FORMAT.md; every number there has its name here. */

export const FORMAT_MAJOR = 1;
export const FORMAT_MINOR = 0;

export const SUPERBLOCK_BYTES = 4096;
/** Where the first record stands: behind the superblock and its copy. */
export const FIRST_RECORD_OFFSET = 2 * SUPERBLOCK_BYTES;
export const FOOTER_BYTES = 4096;
export const RECORD_HEADER_BYTES = 96;

export const INDEX_HEADER_BYTES = 32;
export const CHUNK_ENTRY_BYTES = 64;
export const PLACEMENT_BYTES = 24;
export const CHECKPOINT_HEADER_BYTES = 32;

/** Chunk flag: the stored bytes are one zstd frame; without it they are the raw bytes. */
export const CHUNK_ZSTD = 1;
/** Chunk number of a placement that holds only zeros. */
export const ZERO_CHUNK = 0xffff_ffff;

/** Placements start and end on this boundary. */
export const ALIGN_BYTES = 512;
export const CHUNK_BYTES_DEFAULT = 1024 * 1024;
export const CHUNK_BYTES_MIN = 65_536;
export const CHUNK_BYTES_MAX = 16 * 1024 * 1024;
export const CHUNKS_MAX = 16 * 1024 * 1024;
export const PLACEMENTS_MAX = 32 * 1024 * 1024;
export const DISKS_MAX = 16;
export const MANIFEST_RAW_BYTES_MAX = 16 * 1024 * 1024;
export const CHECKPOINT_CHUNKS = 1024;
export const CHECKPOINT_PLACEMENTS_MAX = 65_536;
/** No file or part is longer: every offset fits a JavaScript integer with room to add. */
export const FILE_BYTES_MAX = 2 ** 52;
