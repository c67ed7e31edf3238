import { formatBytes } from '../../lib/progress.ts';
import type { KnownComputer } from '../console-api.ts';
import type { ComputerView } from '../console-core.ts';
import { consolePaths } from '../console-paths.ts';
import { type ImageEntry, ImageLibrary } from '../image-library.ts';
import { connectConsole, isConsoleAlive } from '../rpc-client.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { textTable } from './text-table.ts';

/** `computers`: who is connected now, or was once. */
export async function runComputers(
  flags: { data: string; known?: true; json?: true },
  context: ConsoleCommandContext,
): Promise<void> {
  if (flags.known === true) return await listKnown(flags, context);
  await using client = await connectConsole(consolePaths(flags.data).socket);
  const computers = (await client.call('computers')) as ComputerView[];
  if (flags.json === true) {
    context.out(`${JSON.stringify(computers, null, 2)}\n`);
    return;
  }
  if (computers.length === 0) {
    context.out('No computer is connected. Start one from media exported by this console.\n');
    return;
  }
  const rows = computers.map((one) => [
    one.name,
    one.address,
    one.role,
    one.model || '-',
    one.disks.map((disk) => `${disk.name} ${formatBytes(disk.sizeBytes)}`).join(', ') || 'none',
    one.firmware,
    one.state,
  ]);
  context.out(textTable(['COMPUTER', 'ADDRESS', 'ROLE', 'MODEL', 'DISKS', 'FIRMWARE', 'STATE'], rows));
}

async function listKnown(
  flags: { data: string; json?: true },
  context: ConsoleCommandContext,
): Promise<void> {
  await using client = await connectConsole(consolePaths(flags.data).socket);
  const known = (await client.call('computers.known')) as KnownComputer[];
  if (flags.json === true) context.out(`${JSON.stringify(known, null, 2)}\n`);
  else if (known.length === 0) context.out('Every computer that this console knows is connected.\n');
  else {
    const rows = known.map((one) => [one.name, one.macs.join(' '), one.model || '-', one.role, one.lastSeen]);
    context.out(textTable(['COMPUTER', 'MAC ADDRESSES', 'MODEL', 'ROLE', 'LAST SEEN'], rows));
  }
}

/** `images`: what can be deployed; works without a running console too. */
export async function runImages(
  flags: { data: string; json?: true },
  context: ConsoleCommandContext,
): Promise<void> {
  const images = await listImages(flags.data);
  if (flags.json === true) {
    context.out(`${JSON.stringify(images, null, 2)}\n`);
    return;
  }
  if (images.length === 0) {
    context.out('No images. Capture a master computer first.\n');
    return;
  }
  const rows = images.map((one) =>
    one.problem === ''
      ? [
          one.name,
          formatBytes(one.fileBytes),
          formatBytes(one.usedBytes),
          formatBytes(one.diskBytes),
          one.createdAt,
        ]
      : [one.name, '-', '-', '-', one.problem],
  );
  context.out(textTable(['IMAGE', 'FILE', 'USED', 'DISK', 'CREATED'], rows));
}

async function listImages(dataDir: string): Promise<ImageEntry[]> {
  const paths = consolePaths(dataDir);
  if (await isConsoleAlive(paths.socket)) {
    await using client = await connectConsole(paths.socket);
    return (await client.call('images')) as ImageEntry[];
  }
  await using library = new ImageLibrary(paths.images);
  return await library.list();
}
