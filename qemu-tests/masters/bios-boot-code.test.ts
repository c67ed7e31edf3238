import { describe, expect, it } from 'vitest';
import { biosBootCode } from './bios-boot-code.ts';

const PARTS = {
  mbr: Buffer.alloc(512, 0xee),
  bootImage: Buffer.alloc(512, 0xbb),
  coreImage: Buffer.alloc(1300, 0xcc),
  coreSector: 2048,
  coreSectorsMax: 3,
};

describe('biosBootCode', () => {
  it('keeps disk id and partition table', () => {
    const { mbr } = biosBootCode(PARTS);
    expect(mbr.subarray(0x1b8, 510)).toEqual(PARTS.mbr.subarray(0x1b8, 510));
    expect(mbr.readUInt16LE(510)).toBe(0xaa55);
    expect(mbr[0]).toBe(0xbb);
  });

  it('points the boot sector at the core and the core at its rest', () => {
    const { mbr, core } = biosBootCode(PARTS);
    expect(mbr.readBigUInt64LE(0x5c)).toBe(2048n);
    expect(core.readBigUInt64LE(0x1f4)).toBe(2049n);
    expect(core.readUInt16LE(0x1fc)).toBe(2);
    expect(core).toHaveLength(1536);
  });

  it('refuses a core that does not fit', () => {
    expect(() => biosBootCode({ ...PARTS, coreSectorsMax: 2 })).toThrow(/3 sectors wanted, 2 free/);
  });
});
