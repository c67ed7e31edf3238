import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { run } from '../../src/lib/spawn.ts';
import { SECTOR_BYTES } from './disk-file.ts';
import { extUsedRanges } from './ext-block-map.ts';
import { type ByteRange, fatUsedRanges } from './fat-block-map.ts';

const READ_BYTES = 4 * 1024 * 1024;
/** The header page of swap space; the rest means nothing while the computer is off (mkswap). */
const SWAP_HEADER_BYTES = 4096;

const tableSchema = z.object({
  partitiontable: z.object({
    label: z.enum(['gpt', 'dos']),
    id: z.string(),
    firstlba: z.number().optional(),
    lastlba: z.number().optional(),
    partitions: z.array(
      z.object({
        node: z.string(),
        start: z.number(),
        size: z.number(),
        type: z.string(),
        uuid: z.string().optional(),
        name: z.string().optional(),
        attrs: z.string().optional(),
        bootable: z.boolean().optional(),
      }),
    ),
  }),
});

type Table = z.infer<typeof tableSchema>['partitiontable'];

export interface PartitionComparison {
  number: number;
  filesystem: string;
  /** What was compared. */
  usedBytes: number;
  masterSha256: string;
  targetSha256: string;
  equal: boolean;
}

export interface DiskComparison {
  table: 'gpt' | 'dos';
  /** What differs or what a checker complained about; empty when all is well. */
  problems: string[];
  partitions: PartitionComparison[];
  equal: boolean;
}

/**
 * Compares a target disk with its master by programs that have nothing to do with TotalDeploy: tables by sfdisk
 * and sgdisk, used blocks by dumpe2fs or the FAT, their bytes by SHA-256, and the target's file systems by
 * their own checkers. Both are raw files of machines that are off.
 */
export async function compareDisks(masterPath: string, targetPath: string): Promise<DiskComparison> {
  const master = await readTable(masterPath);
  const target = await readTable(targetPath);
  const problems = tableProblems(master, target);
  if (target.label === 'gpt') {
    const { stdout } = await run('sgdisk', ['-v', targetPath], { okCodes: [0, 1, 2, 3, 4] });
    if (!/No problems found/.test(stdout)) problems.push(`sgdisk: ${stdout.trim().replace(/\s+/g, ' ')}`);
  }
  for (const area of bootAreas(master)) {
    const [ours, theirs] = await Promise.all([hashOf(masterPath, [area]), hashOf(targetPath, [area])]);
    if (ours !== theirs) problems.push(`boot code at ${area.offsetBytes} (${area.sizeBytes} bytes) differs`);
  }
  const partitions: PartitionComparison[] = [];
  for (const [i, partition] of master.partitions.entries()) {
    const place = { offsetBytes: partition.start * SECTOR_BYTES, sizeBytes: partition.size * SECTOR_BYTES };
    partitions.push(await comparePartition({ masterPath, targetPath, number: i + 1, place }));
    problems.push(...(await checkFilesystem(targetPath, place)).map((line) => `partition ${i + 1}: ${line}`));
  }
  const equal = problems.length === 0 && partitions.every((partition) => partition.equal);
  return { table: master.label, problems, partitions, equal };
}

async function readTable(path: string): Promise<Table> {
  const { stdout } = await run('sfdisk', ['-J', path]);
  return tableSchema.parse(JSON.parse(stdout)).partitiontable;
}

function tableProblems(master: Table, target: Table): string[] {
  const problems: string[] = [];
  if (master.label !== target.label) problems.push(`table is ${target.label}, not ${master.label}`);
  if (master.id !== target.id) problems.push(`disk id is ${target.id}, not ${master.id}`);
  // The node is the file's name and a number.
  const entries = (table: Table) => table.partitions.map(({ node: _, ...entry }) => JSON.stringify(entry));
  const [ours, theirs] = [entries(master), entries(target)];
  if (ours.length !== theirs.length) problems.push(`${theirs.length} partitions, not ${ours.length}`);
  ours.forEach((entry, i) => {
    if (theirs[i] !== entry) problems.push(`partition ${i + 1} is ${theirs[i]}, not ${entry}`);
  });
  return problems;
}

/** Boot code before the table's data and the gap between table and first partition, where GRUB lies on MBR. */
function bootAreas(table: Table): ByteRange[] {
  const first = Math.min(...table.partitions.map((partition) => partition.start));
  const gapStart = table.label === 'gpt' ? 34 : 1;
  return [
    { offsetBytes: 0, sizeBytes: 440 },
    { offsetBytes: gapStart * SECTOR_BYTES, sizeBytes: (first - gapStart) * SECTOR_BYTES },
  ];
}

async function comparePartition(options: {
  masterPath: string;
  targetPath: string;
  number: number;
  place: ByteRange;
}): Promise<PartitionComparison> {
  const { masterPath, targetPath, number, place } = options;
  const filesystem = await filesystemOf(masterPath, place);
  const ranges = await usedRanges(masterPath, { filesystem, place });
  const masterSha256 = await hashOf(masterPath, ranges);
  const targetSha256 = await hashOf(targetPath, ranges);
  const usedBytes = ranges.reduce((sum, range) => sum + range.sizeBytes, 0);
  return { number, filesystem, usedBytes, masterSha256, targetSha256, equal: masterSha256 === targetSha256 };
}

async function filesystemOf(path: string, place: ByteRange): Promise<string> {
  const at = ['-O', String(place.offsetBytes), '-S', String(place.sizeBytes)];
  const { stdout } = await run('blkid', ['-p', ...at, '-o', 'value', '-s', 'TYPE', path], {
    okCodes: [0, 2],
  });
  return stdout.trim() || 'none';
}

async function usedRanges(
  path: string,
  options: { filesystem: string; place: ByteRange },
): Promise<ByteRange[]> {
  const { filesystem, place } = options;
  if (/^ext[234]$/.test(filesystem)) return await extUsedRanges(path, place.offsetBytes);
  if (filesystem === 'vfat') return await fatUsedRanges(path, place.offsetBytes);
  if (filesystem === 'swap') return [{ offsetBytes: place.offsetBytes, sizeBytes: SWAP_HEADER_BYTES }];
  return [place];
}

/** @returns complaints of the file system's own checker. */
async function checkFilesystem(path: string, place: ByteRange): Promise<string[]> {
  const filesystem = await filesystemOf(path, place);
  if (!/^ext[234]$/.test(filesystem)) return [];
  const at = `${path}?offset=${place.offsetBytes}`;
  const { code, stdout } = await run('e2fsck', ['-f', '-n', at], { okCodes: [0, 1, 2, 4, 8] });
  return code === 0 ? [] : [`e2fsck: ${stdout.trim().replace(/\s+/g, ' ').slice(-300)}`];
}

async function hashOf(path: string, ranges: readonly ByteRange[]): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(READ_BYTES);
  await using file = await open(path, 'r');
  for (const range of ranges) {
    let at = range.offsetBytes;
    const end = at + range.sizeBytes;
    while (at < end) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(READ_BYTES, end - at), at);
      if (bytesRead === 0) break; // a shorter target hashes differently, which is the answer
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
  return hash.digest('hex');
}
