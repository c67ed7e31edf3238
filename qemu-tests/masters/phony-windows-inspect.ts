import { execFile } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type MachineSid, machineSidBytes } from '../../src/customise/windows/sid.ts';
import { run } from '../../src/lib/spawn.ts';
import { MIB, SECTOR_BYTES } from './disk-file.ts';
import type { PhonyPartition } from './phony-windows.ts';

/*
 * How a deployed disk with Windows is looked at from outside: by sfdisk and sgdisk, the tools of ntfs-3g, hivex and
 * chntpw. Nothing here shares code with what changed the disk.
 */

const READ_BYTES = 16 * MIB;
const FILE_BYTES_MAX = 64 * MIB;
const execute = promisify(execFile);

const tableSchema = z.object({
  partitiontable: z.object({
    label: z.string(),
    id: z.string(),
    partitions: z.array(z.object({ node: z.string() }).loose()),
  }),
});

/** Label, id and all that sfdisk tells of each partition, but for the name of the file. */
export async function tableOf(diskPath: string): Promise<unknown> {
  const { stdout } = await run('sfdisk', ['--json', diskPath]);
  const { label, id, partitions } = tableSchema.parse(JSON.parse(stdout)).partitiontable;
  return {
    label,
    id,
    partitions: partitions.map(({ node, ...rest }) => ({ ...rest, number: node.slice(diskPath.length) })),
  };
}

/** What sgdisk has against a GPT: the checksums of both tables, and that the second lies at the disk's end. */
export async function gptProblems(diskPath: string): Promise<string> {
  const { stdout } = await run('sgdisk', ['-v', diskPath], { okCodes: [0, 1, 2, 3, 4] });
  return /No problems found/.test(stdout) ? '' : stdout.trim();
}

/** A partition in a file of its own, as the tools of ntfs-3g want it. */
export async function takePartition(
  diskPath: string,
  { startSector, sizeBytes }: PhonyPartition,
  outPath: string,
): Promise<string> {
  const place = [`skip=${(startSector * SECTOR_BYTES) / MIB}`, `count=${sizeBytes / MIB}`];
  await run('dd', [`if=${diskPath}`, `of=${outPath}`, 'bs=1M', ...place, 'conv=sparse']);
  return outPath;
}

/** What is wrong with an NTFS, as two programs see it that change nothing; empty when all is well. */
export async function ntfsProblems(volume: string): Promise<string> {
  const anyCode = { okCodes: [0, 1, 2, 3, 4] };
  const fix = await run('ntfsfix', ['-n', volume], anyCode);
  const audit = await run('ntfssecaudit', ['-ar', volume], anyCode);
  const isClean = fix.code === 0 && /processed successfully/.test(fix.stdout);
  return [isClean ? '' : fix.stdout, /No errors were found/.test(audit.stdout) ? '' : audit.stdout].join('');
}

/** A file's content. @param path from the volume's top, with slashes. */
export async function ntfsFile(volume: string, path: string): Promise<Buffer> {
  return await ntfsCat(['-f', volume, path]);
}

/** Where the volume keeps every permission there is. */
export async function ntfsPermissions(volume: string): Promise<Buffer> {
  return await ntfsCat(['-f', '-i', '9', '-a', '0x80', '-n', '$SDS', volume]);
}

async function ntfsCat(args: readonly string[]): Promise<Buffer> {
  const { stdout } = await execute('ntfscat', args, { encoding: 'buffer', maxBuffer: FILE_BYTES_MAX });
  return stdout;
}

/** Names in a folder, without the two that every folder has. */
export async function ntfsNames(volume: string, path: string): Promise<string[]> {
  const { stdout } = await run('ntfsls', ['-f', '-p', path, volume]);
  return stdout
    .split('\n')
    .filter((name) => !['', '.', '..'].includes(name))
    .sort();
}

/** Permissions in hexadecimal by path, as ntfs-3g's auditor finds them. */
export async function ntfsDescriptors(volume: string): Promise<Map<string, string>> {
  const { stdout } = await run('ntfssecaudit', ['-b', volume], { outputBytesMax: 256 * MIB });
  const byKey = new Map<string, string>();
  const byPath = new Map<string, string>();
  for (const part of stdout.split(/^(?:File|Directory) /m)) {
    const [path = '', security = '', ...lines] = part.split('\n');
    const key = /0x[0-9a-f]+/.exec(security)?.[0] ?? '';
    const hex = lines.map((line) => /^ +[0-9a-f]{6} ((?: [0-9a-f]+)+)$/.exec(line)?.[1] ?? '');
    // Each one is printed only where it is met first.
    if (!security.includes('already displayed')) byKey.set(key, hex.join('').replaceAll(' ', ''));
    byPath.set(path, byKey.get(key) ?? '');
  }
  return byPath;
}

/** Values of a key as hivex reads them, by name: texts, and numbers as text. */
export async function valueByHivex(hive: string, key: string, name: string): Promise<string> {
  return (await run('hivexget', [hive, key, name])).stdout.trim();
}

/** One key as chntpw's reged reads it, lines `"NAME"=VALUE`; its names are case-sensitive. */
export async function keyByReged(hive: string, key: string): Promise<string> {
  const out = `${hive}.reg`;
  await run('reged', ['-x', hive, 'H', key, out], { okCodes: [0, 1, 2] });
  return (await readFile(out, 'utf8')).replaceAll('\r', '').replaceAll(/\\\n\s*/g, '');
}

/** Names of the keys right below one, as hivex lists them. */
export async function subkeysByHivex(hive: string, key: string): Promise<string[]> {
  const { stdout } = await run('hivexsh', [hive], { input: `cd \\${key}\nls\n` });
  return stdout.split('\n').filter((name) => name !== '');
}

/** @throws Error when two files differ anywhere. */
export async function expectSame(path: string, other: string): Promise<void> {
  await run('cmp', [path, other]);
}

export async function contentOf(path: string): Promise<Buffer> {
  return await readFile(path);
}

/** How often a machine SID is in there: as bytes, as UTF-16 and as ASCII. */
export function sidCount(bytes: Buffer, sid: MachineSid): number {
  const text = sid.join('-');
  const needles = [machineSidBytes(sid), Buffer.from(text, 'utf16le'), Buffer.from(text)];
  return needles.reduce((sum, needle) => sum + countIn(bytes, needle), 0);
}

export function countIn(bytes: Buffer, needle: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) count += 1;
  return count;
}

/** An ASCII text as it would be found in files: as it is, in UTF-16, and inside of base64 at any place. */
export function spellings(text: string): Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.from('x'.repeat(shift) + text).toString('base64');
    // What neighbours have a part in is left out.
    return Buffer.from(whole.slice(shift === 0 ? 0 : 4, -4));
  });
  return [Buffer.from(text), Buffer.from(text, 'utf16le'), ...base64];
}

/** How often any of the texts is in a file, however large. */
export async function countInFile(path: string, texts: readonly string[]): Promise<number> {
  const needles = texts.flatMap(spellings);
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1;
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(overlap + READ_BYTES);
  let count = 0;
  let kept = 0;
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, kept, READ_BYTES, at);
    if (bytesRead === 0) return count;
    const whole = buffer.subarray(0, kept + bytesRead);
    at += bytesRead;
    if (isZeros(whole)) continue;
    // What lay wholly in the part that was kept has been counted.
    for (const needle of needles) {
      const from = Math.max(0, kept - needle.length + 1);
      count += countIn(whole.subarray(from), needle);
    }
    kept = Math.min(overlap, whole.length);
    buffer.copyWithin(0, whole.length - kept, whole.length);
  }
}

const ZEROS = Buffer.alloc(READ_BYTES + 1024);

function isZeros(bytes: Buffer): boolean {
  return bytes.equals(ZEROS.subarray(0, bytes.length));
}
