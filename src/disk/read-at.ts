/** Reads bytes at an offset of a partition or a disk; all of them, or it throws. */
export type ReadAt = (offsetBytes: number, lengthBytes: number) => Promise<Buffer>;
