import type { ImageReader } from '../../image/image-reader.ts';
import { openImage } from '../../image/image-reader.ts';
import { formatBytes } from '../../lib/progress.ts';
import type { DiskLayout } from '../../schema/disk-layout.ts';
import { diskNumber, type ImageManifest } from '../../schema/image-manifest.ts';
import type { ImageCommandContext } from './image-command-context.ts';

export interface ImageInfoOptions {
  json: boolean;
  context: Pick<ImageCommandContext, 'out'>;
}

/** Prints what an image holds. @throws TdError as openImage. */
export async function runImageInfo(path: string, options: ImageInfoOptions): Promise<void> {
  await using reader = await openImage(path);
  const facts = imageFacts(reader);
  options.context.out(options.json ? `${JSON.stringify(facts, undefined, 2)}\n` : infoText(facts));
}

/** What `image info --json` prints. */
export interface ImageFacts {
  path: string;
  imageId: string;
  root: string;
  fileBytes: number;
  chunkCount: number;
  placementCount: number;
  /** Captured bytes, zeros included, and what they take. */
  rawBytes: number;
  storedBytes: number;
  ratio: number;
  manifest: ImageManifest;
  warnings: string[];
}

function imageFacts(reader: ImageReader): ImageFacts {
  const { manifest, index } = reader;
  let rawBytes = 0;
  for (const placement of index.placements()) rawBytes += placement.rawBytes;
  const partWarnings = manifest.parts.flatMap((part) =>
    part.warnings.map((warning) =>
      part.partition === null
        ? warning
        : `partition ${part.partition} of disk ${diskNumber(part.disk)}: ${warning}`,
    ),
  );
  return {
    path: reader.path,
    imageId: reader.imageId,
    root: reader.root.toString('hex'),
    fileBytes: reader.fileBytes,
    chunkCount: index.chunkCount,
    placementCount: index.placementCount,
    rawBytes,
    storedBytes: manifest.storedBytes,
    ratio: Math.round((rawBytes / Math.max(1, reader.fileBytes)) * 100) / 100,
    manifest,
    warnings: [...reader.warnings, ...manifest.flaws, ...partWarnings],
  };
}

function infoText(facts: ImageFacts): string {
  const { manifest } = facts;
  const source = [manifest.source.hostname, manifest.source.model, manifest.source.firmware.toUpperCase()];
  const compression =
    manifest.compression === 'none' ? 'not compressed' : `zstd level ${manifest.compressionLevel}`;
  const rows: [string, string][] = [
    ['Image', `${manifest.name}${manifest.comment === '' ? '' : ` (${manifest.comment})`}`],
    ['Taken', `${manifest.createdAt} from ${source.filter((text) => text !== '').join(', ')}`],
    [
      'Size',
      `${formatBytes(facts.fileBytes)} for ${formatBytes(facts.rawBytes)} of data, ${facts.ratio} to 1`,
    ],
    ['Chunks', `${facts.chunkCount} of up to ${formatBytes(manifest.chunkBytes)}, ${compression}`],
    ['Root', facts.root],
  ];
  const lines = rows.map(([label, value]) => `${label.padEnd(8)}${printable(value)}`);
  manifest.disks.forEach((layout, disk) => {
    lines.push('', ...diskLines(manifest, { layout, disk }));
  });
  if (facts.warnings.length > 0) {
    lines.push('', ...facts.warnings.map((text) => `Warning: ${printable(text)}`));
  }
  return `${lines.join('\n')}\n`;
}

function diskLines(
  manifest: ImageManifest,
  { layout, disk }: { layout: DiskLayout; disk: number },
): string[] {
  const facts = [
    formatBytes(layout.sizeBytes),
    layout.table === 'none' ? 'no partition table' : layout.table.toUpperCase(),
    `${layout.logicalSectorBytes}-byte sectors`,
    layout.model,
  ];
  const head = `Disk ${diskNumber(disk)}  ${facts.filter((text) => text !== '').join(', ')}`;
  const rows = layout.partitions.map((partition) => {
    const part = manifest.parts.find((one) => one.disk === disk && one.partition === partition.number);
    return [
      String(partition.number),
      formatBytes(partition.startBytes),
      formatBytes(partition.sizeBytes),
      part === undefined ? 'not in it' : formatBytes(part.usedBytes),
      partition.filesystem.kind,
      partition.filesystem.label || partition.name,
      part?.method === 'raw' ? 'every block' : '',
    ];
  });
  if (rows.length === 0) return [printable(head)];
  return [head, ...table([['', 'start', 'size', 'used', 'holds', 'label', ''], ...rows])].map(printable);
}

/** Columns as wide as their widest cell; numbers and sizes, the first four, to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** Labels come from other people's disks: no control characters reach the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
