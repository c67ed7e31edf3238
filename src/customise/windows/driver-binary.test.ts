import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { readDriverBinary } from './driver-binary.ts';
import { sampleDriver } from './testdata/drivers/driver-samples.ts';

test.each([
  ['x86', [5, 1], true],
  ['amd64', [6, 1], false],
  ['arm64', [10, 0], true],
] as const)(
  'tells the platform, the Windows and the signature of a driver for %s',
  (architecture, [major, minor], isSigned) => {
    const bytes = sampleDriver({ architecture, builtFor: [major, minor], isSigned });
    expect(readDriverBinary(bytes, 'a.sys')).toEqual({ architecture, major, minor, isSigned });
  },
);

test('other machines are none of these, and a short table of directories holds no signature', () => {
  const bytes = sampleDriver({ architecture: 'amd64' });
  bytes.writeUInt16LE(0x0200, 0x84);
  bytes.writeUInt32LE(4, 0x80 + 24 + 108);
  expect(readDriverBinary(bytes, 'a.sys')).toMatchObject({ architecture: undefined, isSigned: false });
});

test('any bytes give a description or one error', () => {
  const whole = sampleDriver({ architecture: 'amd64' });
  const changed = fc
    .tuple(fc.nat(whole.length), fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }))
    .map(([length, changes]) => {
      const bytes = Buffer.from(whole);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes.subarray(0, length);
    });
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        readDriverBinary(Buffer.from(bytes), 'a.sys');
      } catch (error) {
        expect(error).toBeInstanceOf(TdError);
      }
    }),
    { numRuns: 500 },
  );
});
