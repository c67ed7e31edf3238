import { z } from 'zod';
import { run } from '../../src/lib/spawn.ts';
import { SECTOR_BYTES } from './disk-file.ts';

const tableSchema = z.object({
  partitiontable: z.object({ partitions: z.array(z.object({ start: z.number().int() }).loose()) }).loose(),
});

/** The text of a file in the last partition of a disk file, an ext4; nothing is mounted. */
export async function fileInMaster(diskPath: string, path: string): Promise<string> {
  const { stdout } = await run('sfdisk', ['--json', diskPath]);
  const { start } = tableSchema.parse(JSON.parse(stdout)).partitiontable.partitions.at(-1)!;
  return (await run('debugfs', ['-R', `cat ${path}`, `${diskPath}?offset=${start * SECTOR_BYTES}`])).stdout;
}
