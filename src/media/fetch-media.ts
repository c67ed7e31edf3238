import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { errorLine, TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import { MEDIA_PATHS } from './media-tree.ts';

const FILE_BYTES_MAX = 2 * 1024 ** 3;
const FILE_MS_MAX = 15 * 60_000;
/** The most that goes into one Ethernet frame. */
const TFTP_BLOCK_BYTES = 1468;
const PROBE_PATH = 'boot/grub/grub.cfg';

const manifestSchema = z.object({
  files: z
    .array(z.object({ path: z.string().max(200), sha256: z.string().max(64), sizeBytes: z.number() }))
    .max(1000),
});

export interface FetchOptions {
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

interface Server {
  scheme: 'http' | 'tftp';
  host: string;
  port: string;
  /** Before the tree's own paths, e.g. `pxe/`. */
  prefix: string;
}

/**
 * Fetches a media tree from the boot server this computer was started from, by HTTP where one answers, else by TFTP. What its
 * manifest names is compared with it.
 *
 * @param bootUrl as `td.boot` has it: the URL of the tree's `boot` folder.
 * @param dir becomes the tree; replaced when it is there.
 * @throws TdError `usage` for another URL; `network`; `damaged`; `no-space`; `cancelled`.
 */
export async function fetchMedia(bootUrl: string, dir: string, options: FetchOptions = {}): Promise<void> {
  const given = parseBootUrl(bootUrl);
  const partial = `${dir}.partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    const server = await answering(given, partial, options);
    let doneBytes = 0;
    let totalBytes = 0;
    // The manifest first: it knows the sizes.
    const paths = [...MEDIA_PATHS].sort((a, b) => Number(b.isOptional) - Number(a.isOptional));
    for (const { path, isOptional } of paths) {
      const target = join(partial, path);
      try {
        await fetchFile(server, path, { ...options, target });
      } catch (error) {
        if (isOptional && !options.signal?.aborted) continue;
        throw error;
      }
      if (path === 'manifest.json') totalBytes = (await manifestFiles(partial)).reduce(sumBytes, 0);
      doneBytes += (await stat(target)).size;
      options.onProgress?.(doneBytes, Math.max(doneBytes, totalBytes));
    }
    await compareWithManifest(partial);
    await rm(dir, { recursive: true, force: true });
    await rename(partial, dir);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    if (options.signal?.aborted) throw new TdError('cancelled', 'Fetching the boot files was cancelled');
    throw error;
  }
}

/** @throws TdError `usage`. */
export function parseBootUrl(text: string): Server {
  const match =
    /^(http|tftp):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/((?:[A-Za-z0-9._~-]+\/)*?)boot\/?$/.exec(
      text,
    ) ?? /^\(?(http|tftp),([A-Za-z0-9._-]+)(?::(\d{1,5}))?\)?()/.exec(text);
  const [, scheme, host = '', port = '', prefix = ''] = match ?? [];
  if ((scheme === 'http' || scheme === 'tftp') && !prefix.includes('..'))
    return { scheme, host, port, prefix };
  throw new TdError(
    'usage',
    `Cannot fetch the boot files from ${JSON.stringify(text)}: it is no boot server's URL`,
  );
}

/** As stage 1 does: HTTP is many times faster, and most boot servers have both. */
async function answering(given: Server, partial: string, options: FetchOptions): Promise<Server> {
  if (given.scheme === 'http') return given;
  const http: Server = { ...given, scheme: 'http', port: '' };
  try {
    await fetchFile(http, PROBE_PATH, { ...options, target: join(partial, PROBE_PATH) });
    return http;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return given;
  }
}

async function fetchFile(
  server: Server,
  path: string,
  options: { target: string; signal?: AbortSignal },
): Promise<void> {
  const { scheme, host, port, prefix } = server;
  const url = `${scheme}://${host}${port === '' ? '' : `:${port}`}/${prefix}${path}`;
  const timeout = AbortSignal.timeout(FILE_MS_MAX);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  await mkdir(dirname(options.target), { recursive: true });
  try {
    if (scheme === 'http') await fetchByHttp(url, options.target, signal);
    else {
      const remote = ['-r', `${prefix}${path}`, '-l', options.target, host.replace(/^\[|\]$/g, '')];
      const args = ['tftp', '-g', '-b', String(TFTP_BLOCK_BYTES), ...remote, ...(port === '' ? [] : [port])];
      await run('busybox', args, { timeoutMs: FILE_MS_MAX, signal });
    }
  } catch (cause) {
    await rm(options.target, { force: true });
    if (options.signal?.aborted) throw cause;
    if (cause instanceof TdError && cause.code === 'no-space') throw cause;
    throw new TdError(
      'network',
      `Cannot fetch "${url}": ${errorLine(cause)}; check that the boot server runs and offers all that "export pxe" wrote, or plug in a medium`,
      { cause },
    );
  }
}

async function fetchByHttp(url: string, target: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  let gotBytes = 0;
  const limit = new Transform({
    transform(part: Buffer, _encoding, done) {
      gotBytes += part.length;
      if (gotBytes > FILE_BYTES_MAX) done(new Error('it is too large'));
      else done(null, part);
    },
  });
  await pipeline(Readable.fromWeb(response.body as never), limit, createWriteStream(target), { signal });
}

async function compareWithManifest(dir: string): Promise<void> {
  for (const { path, sha256 } of await manifestFiles(dir)) {
    if (!MEDIA_PATHS.some((one) => one.path === path)) continue;
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(dir, path)), hash);
    if (hash.digest('hex') === sha256) continue;
    throw new TdError(
      'damaged',
      `Cannot use the boot server's "${path}": it is not the file its manifest.json names; put one whole export on the server`,
    );
  }
}

async function manifestFiles(dir: string): Promise<z.infer<typeof manifestSchema>['files']> {
  const text = await readFile(join(dir, 'manifest.json'), 'utf8').catch(() => '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const parsed = manifestSchema.safeParse(value);
  return parsed.success ? parsed.data.files : [];
}

function sumBytes(sum: number, file: { sizeBytes: number }): number {
  return sum + file.sizeBytes;
}
