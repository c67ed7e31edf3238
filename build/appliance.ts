import { copyFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorLine, TdError } from '../src/lib/errors.ts';
import { formatBytes } from '../src/lib/progress.ts';
import { buildBinary } from './binary.ts';
import { BUILD_LOCK_PATH, takeBuildLock } from './build-lock.ts';
import { buildMedia } from './media.ts';
import { type FetchOptions, fetchPackages, fileDigest, kernelRoot, loaderRoot } from './packages.ts';
import { findKernel } from './rootfs-modules.ts';
import { buildStage1 } from './stage1.ts';
import { buildWim } from './wim.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const MEDIA = join(PROJECT, 'dist/media');

/** The largest that firmware and small computers should have to take (README, "Sizes"). */
export const SIZE_LIMITS = { kernelAndStage1Bytes: 40_000_000, wimBytes: 90_000_000 };

export interface ApplianceOptions extends FetchOptions {
  /** The executable to pack; default: the one `buildBinary` makes. */
  program?: string;
  /** Leave out boot loaders, menu and ISO. */
  preOsOnly?: boolean;
  say?: (line: string) => void;
}

/**
 * Builds everything a computer boots: `dist/totaldeploy`, the media tree `dist/media` with its manifest, and
 * `dist/totaldeploy.iso`. Steps whose inputs did not change take no time; another build in this checkout is waited for.
 *
 * @throws TdError `invalid` when kernel and stage 1, or the WIM, are bigger than they may be.
 */
export async function buildAppliance(options: ApplianceOptions = {}): Promise<void> {
  const say = options.say ?? (() => {});
  await using _lock = await takeBuildLock(BUILD_LOCK_PATH, say);
  const timed = async <T>(what: string, step: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await step();
    say(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return result;
  };
  const program = options.program ?? (await timed('program', buildBinary));
  await timed('packages', () => fetchPackages(options));
  const stage1 = await timed('stage 1', buildStage1);
  const wim = await timed('Pre-OS', () => buildWim(program));
  const kernel = await findKernel(await kernelRoot());
  const files = [
    [kernel.vmlinuz, 'boot/vmlinuz'],
    [stage1, 'boot/stage1.img'],
    [wim, 'boot/totaldeploy.wim'],
  ] as const;
  for (const [from, to] of files) await putFile(from, join(MEDIA, to));
  const manifest = await writeManifest();
  checkSizes(manifest.files);
  await loaderRoot();
  if (options.preOsOnly !== true) await timed('media', () => buildMedia());
  for (const file of manifest.files) say(`${file.path}: ${formatBytes(file.sizeBytes)}`);
}

interface ManifestFile {
  path: string;
  sha256: string;
  sizeBytes: number;
}

export interface ApplianceManifest {
  files: ManifestFile[];
  packages: { name: string; version: string; architecture: string; sha256: string; sizeBytes: number }[];
}

/** Writes `manifest.json`: every package the Pre-OS and the loaders are made of, and the digests of the result. */
async function writeManifest(): Promise<ApplianceManifest> {
  const files: ManifestFile[] = [];
  for (const path of ['boot/vmlinuz', 'boot/stage1.img', 'boot/totaldeploy.wim']) {
    files.push({ path, ...(await fileDigest(join(MEDIA, path))) });
  }
  const packages = (await fetchPackages()).map(({ name, version, architecture, sha256, sizeBytes }) => ({
    name,
    version,
    architecture,
    sha256,
    sizeBytes,
  }));
  const manifest = { files, packages };
  await writeFile(join(MEDIA, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
  return manifest;
}

function checkSizes(files: readonly ManifestFile[]): void {
  const size = (path: string) => files.find((file) => file.path === path)?.sizeBytes ?? 0;
  const limits = [
    ['kernel and stage 1', size('boot/vmlinuz') + size('boot/stage1.img'), SIZE_LIMITS.kernelAndStage1Bytes],
    ['totaldeploy.wim', size('boot/totaldeploy.wim'), SIZE_LIMITS.wimBytes],
  ] as const;
  for (const [what, bytes, limitBytes] of limits) {
    if (bytes > limitBytes) {
      const is = `${formatBytes(bytes)}, at most ${formatBytes(limitBytes)}`;
      throw new TdError('invalid', `Cannot use ${what}: too big with ${is}; leave something out`);
    }
  }
}

/** Copies unless the same bytes are there already; never leaves half a file under the final name. */
async function putFile(from: string, to: string): Promise<void> {
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => undefined)]);
  if (target?.size === source.size && (await readFile(from)).equals(await readFile(to))) return;
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, `${to}.partial`);
  await rename(`${to}.partial`, to);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      mirror: { type: 'string' },
      refresh: { type: 'boolean' },
      program: { type: 'string' },
      'pre-os-only': { type: 'boolean' },
    },
  });
  try {
    await buildAppliance({
      ...(values.mirror === undefined ? {} : { mirror: values.mirror }),
      ...(values.refresh === undefined ? {} : { refresh: values.refresh }),
      ...(values.program === undefined ? {} : { program: resolve(values.program) }),
      preOsOnly: values['pre-os-only'] ?? false,
      say: (line) => console.log(line),
    });
  } catch (error) {
    console.error(`appliance: ${errorLine(error)}`);
    process.exitCode = 1;
  }
}
