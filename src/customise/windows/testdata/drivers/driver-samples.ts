import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FileSet } from '../../../../schema/customisation.ts';
import type { OpenFile } from '../../../file-source.ts';
import type { WindowsFacts } from '../../windows-system.ts';

/** Setup information files of our own, in the shapes of real ones. */
export function sampleInf(name: string): Buffer {
  return readFileSync(new URL(`${name}.inf`, import.meta.url));
}

export const WINDOWS_10: WindowsFacts = {
  systemDir: 'Windows',
  systemDrive: 'C:',
  release: { major: 10, minor: 0, build: 19045 },
  productName: 'Windows 10 Pro',
  architecture: 'amd64',
  controlSets: ['ControlSet001'],
  sysprepped: false,
  hasPowerShell: true,
};

const MACHINES = { x86: 0x014c, amd64: 0x8664, arm64: 0xaa64 };

export interface SampleDriverOptions {
  architecture: WindowsFacts['architecture'];
  builtFor?: [number, number];
  isSigned?: boolean;
  /** Tells files apart. */
  content?: string;
}

/** The header of a Windows driver and nothing that runs. */
export function sampleDriver(options: SampleDriverOptions): Buffer {
  const { architecture, builtFor = [6, 1], isSigned = true, content = '' } = options;
  const isWide = architecture !== 'x86';
  const bytes = Buffer.alloc(0x400);
  const optional = 0x80 + 24;
  const directories = optional + (isWide ? 112 : 96);
  bytes.write('MZ');
  bytes.writeUInt32LE(0x80, 0x3c);
  bytes.write('PE\0\0', 0x80);
  bytes.writeUInt16LE(MACHINES[architecture], 0x84);
  bytes.writeUInt16LE(isWide ? 0x20b : 0x10b, optional);
  bytes.writeUInt16LE(builtFor[0], optional + 48);
  bytes.writeUInt16LE(builtFor[1], optional + 50);
  bytes.writeUInt32LE(16, directories - 4);
  if (isSigned) bytes.writeUInt32LE(0x1000, directories + 4 * 8 + 4);
  bytes.write(content, 0x300);
  return bytes;
}

/** A folder at a console, and what opens its files. */
export function offer(name: string, files: Record<string, Buffer>): { set: FileSet; openFile: OpenFile } {
  const entries = Object.entries(files).map(([path, bytes]) => ({
    path,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }));
  return {
    set: { name, isFolder: true, entries },
    openFile: async function* ({ path }) {
      const bytes = files[path];
      if (bytes === undefined) throw new Error(`"${path}" was not offered`);
      yield bytes;
    },
  };
}
