import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mountShare } from '../disk/share-mount.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import { type FetchOptions, fetchMedia } from '../media/fetch-media.ts';
import { listMediaFiles, MEDIA_LABEL } from '../media/media-tree.ts';
import { parseBootParams } from '../schema/boot-params.ts';

export interface BootMediaOptions extends FetchOptions {
  /** Named by a person; nothing else is tried then. */
  given?: string;
  /** Files fetched from a boot server are kept below it. */
  workDir: string;
  /** Called before something that takes a while. */
  onStep?: (step: string) => void;
  /** Replaced in tests. */
  system?: Partial<BootMediaSystem>;
}

export interface BootMediaSystem {
  commandLinePath: string;
  /** Where stage 1 mounts the medium it starts from. */
  mediumDir: string;
  /** Beside the program, for consoles on any Linux. */
  folders: readonly string[];
  runProgram: typeof run;
}

const SYSTEM: BootMediaSystem = {
  commandLinePath: '/proc/cmdline',
  mediumDir: '/run/totaldeploy/medium',
  folders: [join(dirname(process.execPath), 'media'), join(process.cwd(), 'dist/media')],
  runProgram: run,
};

/**
 * The folder with the boot files this console can make further media from: what a person named, the medium it was
 * started from, beside the program, or else fetched from the boot server it was started from.
 *
 * @throws TdError `not-found` saying where it was looked for and what to do; `network`, `damaged` from the boot server.
 */
export async function findBootMedia(options: BootMediaOptions): Promise<string> {
  if (options.given !== undefined) return options.given;
  const system = { ...SYSTEM, ...options.system };
  const fetchedDir = join(options.workDir, 'boot-media');
  for (const dir of [system.mediumDir, ...system.folders, fetchedDir]) if (await isWhole(dir)) return dir;
  const { boot } = parseBootParams(await readFile(system.commandLinePath, 'utf8').catch(() => '')).params;
  const tried = [system.mediumDir, ...system.folders].join(', ');
  // A stick that happens to be plugged in must not be taken for what this computer was started from.
  if (boot !== undefined) {
    options.onStep?.(`Fetching the boot files from ${boot}`);
    await fetchMedia(boot, fetchedDir, options);
    return fetchedDir;
  }
  const why = await mountMedium(system);
  if (why === '' && (await isWhole(system.mediumDir))) return system.mediumDir;
  throw new TdError(
    'not-found',
    `Cannot find the boot files: none in ${tried}, and ${why || `those on the medium "${MEDIA_LABEL}" are not whole`}; plug in a medium made by TotalDeploy, or give their folder with --media`,
  );
}

async function isWhole(dir: string): Promise<boolean> {
  if ((await stat(join(dir, 'boot')).catch(() => undefined))?.isDirectory() !== true) return false;
  return await listMediaFiles(dir).then(
    () => true,
    () => false,
  );
}

/** Empty when it is mounted, else why it is not. */
async function mountMedium({ mediumDir, runProgram }: BootMediaSystem): Promise<string> {
  try {
    const args = ['-c', '/dev/null', '-o', 'device', '-t', `LABEL=${MEDIA_LABEL}`];
    const found = await runProgram('blkid', args, { okCodes: [0, 2], timeoutMs: 15_000 });
    const device = found.stdout.trim().split('\n')[0] ?? '';
    if (device === '') return `no disk or CD is labelled "${MEDIA_LABEL}"`;
    const request = { kind: 'usb' as const, source: device, readOnly: true };
    await mountShare(request, { mountPoint: mediumDir, runProgram });
    return '';
  } catch (error) {
    return errorLine(error);
  }
}
