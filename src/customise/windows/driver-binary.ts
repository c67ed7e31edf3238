import { ByteReader } from '../../lib/bytes.ts';
import { TdError } from '../../lib/errors.ts';
import type { WindowsFacts } from './windows-system.ts';

/** What the header of a `.sys` tells (Microsoft, "PE Format"). */
export interface DriverBinary {
  architecture: WindowsFacts['architecture'] | undefined;
  /** The Windows it was built for. */
  major: number;
  minor: number;
  /** Carries its signature inside, not only in a catalogue beside it. */
  isSigned: boolean;
}

const MACHINES = new Map<number, WindowsFacts['architecture']>([
  [0x014c, 'x86'],
  [0x8664, 'amd64'],
  [0xaa64, 'arm64'],
]);
const MZ = 0x5a4d;
const PE = 0x0000_4550;
const PE32_PLUS = 0x020b;
const CERTIFICATES_INDEX = 4;

/** @throws TdError `invalid` naming the file when it is no Windows program. */
export function readDriverBinary(bytes: Buffer, name: string): DriverBinary {
  const at = (offset: number) => {
    const reader = new ByteReader(bytes, `"${name}"`);
    reader.skip(offset);
    return reader;
  };
  const header = at(0).u16le() === MZ ? at(0x3c).u32le() : 0;
  if (header === 0 || at(header).u32le() !== PE) {
    throw new TdError('invalid', `Cannot use "${name}": it is no Windows driver`);
  }
  const optional = header + 24;
  const directories = optional + (at(optional).u16le() === PE32_PLUS ? 112 : 96);
  const directoryCount = at(directories - 4).u32le();
  const certificates =
    directoryCount > CERTIFICATES_INDEX ? at(directories + CERTIFICATES_INDEX * 8 + 4).u32le() : 0;
  return {
    architecture: MACHINES.get(at(header + 4).u16le()),
    major: at(optional + 48).u16le(),
    minor: at(optional + 50).u16le(),
    isSigned: certificates > 0,
  };
}
