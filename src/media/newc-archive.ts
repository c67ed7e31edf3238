import { ByteReader } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';

/** One file or folder of a cpio archive. */
export interface ArchiveEntry {
  /** Relative, `/` between folders. */
  path: string;
  /** Permission bits, e.g. 0o644. */
  permissions: number;
  /** Undefined for a folder. */
  content?: Uint8Array;
}

const MAGIC = '070701';
const HEADER_BYTES = 110;
const TRAILER = 'TRAILER!!!';
const FOLDER_MODE = 0o040000;
const FILE_MODE = 0o100000;
const TYPE_MASK = 0o170000;
const ENTRIES_MAX = 1000;
const PATH_BYTES_MAX = 4096;
const ALIGNMENT = 4;

/**
 * A cpio archive in the "newc" format that Linux unpacks as initramfs (kernel documentation,
 * driver-api/early-userspace/buffer-format): owned by root, without times, padded to 4 bytes so that further archives
 * can follow.
 *
 * @param entries folders before what is in them.
 */
export function encodeNewcArchive(entries: readonly ArchiveEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const type = entry.content === undefined ? FOLDER_MODE : FILE_MODE;
    parts.push(
      encodeEntry(entry.path, {
        inode: index + 1,
        mode: type | entry.permissions,
        links: entry.content === undefined ? 2 : 1,
        content: entry.content ?? new Uint8Array(0),
      }),
    );
  });
  parts.push(encodeEntry(TRAILER, { inode: 0, mode: 0, links: 1, content: new Uint8Array(0) }));
  return Buffer.concat(parts);
}

interface RawEntry {
  inode: number;
  mode: number;
  links: number;
  content: Uint8Array;
}

function encodeEntry(path: string, entry: RawEntry): Buffer {
  const name = Buffer.from(`${path}\0`, 'utf8');
  const fields = [
    entry.inode,
    entry.mode,
    0, // user
    0, // group
    entry.links,
    0, // time
    entry.content.length,
    0, // device and special device, major and minor
    0,
    0,
    0,
    name.length,
    0, // checksum: not used by this format
  ];
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const head = padded(Buffer.concat([Buffer.from(header, 'latin1'), name]));
  return Buffer.concat([head, padded(Buffer.from(entry.content))]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padding(bytes.length))]);
}

function padding(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;
}

/**
 * Reads an archive made by {@link encodeNewcArchive}, or by cpio with only folders and plain files in it.
 *
 * @param what names the archive in errors.
 * @throws TdError `invalid`.
 */
export function decodeNewcArchive(bytes: Uint8Array, what: string): ArchiveEntry[] {
  const reader = new ByteReader(bytes, what);
  const entries: ArchiveEntry[] = [];
  for (;;) {
    const magic = reader.bytes(MAGIC.length).toString('latin1');
    if (magic !== MAGIC) {
      throw invalid(what, `no archive header at offset ${reader.offset - MAGIC.length}`);
    }
    const fields = Array.from({ length: 13 }, () => hexField(reader, what));
    const mode = fields[1]!;
    const sizeBytes = fields[6]!;
    const nameBytes = fields[11]!;
    const path = decodeName(reader, nameBytes, what);
    reader.skip(padding(HEADER_BYTES + nameBytes));
    const content = Buffer.from(reader.bytes(sizeBytes));
    reader.skip(padding(sizeBytes));
    if (path === TRAILER) return entries;
    if (entries.length === ENTRIES_MAX) throw invalid(what, `more than ${ENTRIES_MAX} files`);
    const type = mode & TYPE_MASK;
    if (type !== FILE_MODE && type !== FOLDER_MODE) {
      throw invalid(what, `${JSON.stringify(path)} is neither a file nor a folder`);
    }
    const permissions = mode & 0o7777;
    entries.push(type === FILE_MODE ? { path, permissions, content } : { path, permissions });
  }
}

function hexField(reader: ByteReader, what: string): number {
  const text = reader.bytes(8).toString('latin1');
  if (!/^[0-9A-Fa-f]{8}$/.test(text)) throw invalid(what, `${JSON.stringify(text)} is not a number`);
  return Number.parseInt(text, 16);
}

function decodeName(reader: ByteReader, nameBytes: number, what: string): string {
  if (nameBytes < 2 || nameBytes > PATH_BYTES_MAX) throw invalid(what, `a name of ${nameBytes} bytes`);
  const raw = reader.bytes(nameBytes);
  const path = raw.subarray(0, -1).toString('utf8');
  const segments = path.split('/');
  if (raw.at(-1) !== 0 || raw.indexOf(0) !== nameBytes - 1 || segments.some((s) => s === '' || s === '..')) {
    throw invalid(what, `the name ${JSON.stringify(path.slice(0, 80))} is not allowed`);
  }
  return path;
}

function invalid(what: string, reason: string): TdError {
  return new TdError('invalid', `Cannot read ${what}: ${reason}`);
}
