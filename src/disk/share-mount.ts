import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorLine, TdError } from '../lib/errors.ts';
import { type RunOptions, run } from '../lib/spawn.ts';
import { mountProblem } from './mount-problem.ts';
import { parseShareSource, type ShareKind, type ShareSource } from './share-source.ts';

const ANSWER_MS_MAX = 5000;
const MOUNT_MS_MAX = 30_000;
const UNMOUNT_MS_MAX = 15_000;
const PROBE_MS_MAX = 15_000;
const PORTS: Record<'smb' | 'nfs', number> = { smb: 445, nfs: 2049 };
const SAFE_OPTIONS = 'nosuid,nodev,noexec';

export interface ShareRequest {
  kind: ShareKind;
  source: string;
  /** SMB only; without one it is a guest. */
  user?: string;
  password?: string;
  domain?: string;
  /** Default false. */
  readOnly?: boolean;
}

export interface MountOptions {
  /** Made when it is missing; must be empty. */
  mountPoint: string;
  signal?: AbortSignal;
  /** Replaced in tests. */
  runProgram?: typeof run;
  /** Replaced in tests; rejects when nothing listens there. */
  reach?: (server: string, port: number) => Promise<void>;
}

/** A mounted share or disk; disposing of it takes it away again. */
export interface MountedShare extends AsyncDisposable {
  readonly path: string;
  readonly source: ShareSource;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Mounts an SMB or NFS share or a disk's partition. Nothing takes longer than half a minute, and what is mounted answers
 * with an error when its server goes away instead of waiting for ever. Needs root.
 *
 * @throws TdError `usage` for a source or credentials of a wrong form; `refused` for a wrong password or missing rights;
 *   `network` when the server does not answer; `not-found`; `tool-failed`.
 */
export async function mountShare(request: ShareRequest, options: MountOptions): Promise<MountedShare> {
  const source = parseShareSource(request.kind, request.source);
  checkCredentials(request, source);
  const { mountPoint, runProgram = run } = options;
  await mkdir(mountPoint, { recursive: true, mode: 0o700 });
  try {
    if (source.kind !== 'usb') {
      // mount itself waits for minutes, and cannot be stopped meanwhile.
      await (options.reach ?? reachServer)(source.server, PORTS[source.kind]);
    }
    await mountSource(source, request, options);
  } catch (error) {
    await rmdir(mountPoint).catch(() => {});
    throw mountProblem(source, error);
  }
  const unmount = () => unmountShare(mountPoint, { runProgram });
  return { path: mountPoint, source, [Symbol.asyncDispose]: unmount };
}

/**
 * Takes a mount away; one that is still in use goes as soon as nobody uses it any more.
 *
 * @param options.refuseBusy throws `refused` instead when it is in use.
 */
export async function unmountShare(
  mountPoint: string,
  { runProgram = run, refuseBusy = false }: { runProgram?: typeof run; refuseBusy?: boolean } = {},
): Promise<void> {
  const options = { timeoutMs: UNMOUNT_MS_MAX };
  await runProgram('umount', [mountPoint], options).catch(async (cause: unknown) => {
    if (refuseBusy && /busy/i.test(errorLine(cause))) {
      throw new TdError(
        'refused',
        `Cannot unmount "${mountPoint}": it is in use; wait until that has ended`,
        {
          cause,
        },
      );
    }
    // Busy, or the server is gone and cannot be told.
    await runProgram('umount', ['--lazy', mountPoint], options);
  });
  await rmdir(mountPoint).catch(() => {});
}

async function mountSource(
  source: ShareSource,
  request: ShareRequest,
  { mountPoint, runProgram = run, signal }: MountOptions,
): Promise<void> {
  const options = { runProgram, timeoutMs: MOUNT_MS_MAX, ...(signal === undefined ? {} : { signal }) };
  const access = request.readOnly === true ? 'ro' : 'rw';
  if (source.kind === 'usb') {
    const type = await filesystemOf(source.source, runProgram);
    const args = ['-t', type, '-o', `${access},${SAFE_OPTIONS}`, source.source, mountPoint];
    await mountBy('mount', args, options);
  } else if (source.kind === 'nfs') {
    // Numbers are file owners there, and no lock service runs in the Pre-OS.
    const flags = `${access},${SAFE_OPTIONS},softerr,timeo=50,retrans=3,retry=0,nolock`;
    await mountBy('mount.nfs', [source.source, mountPoint, '-o', flags], options);
  } else {
    await using secret = await credentialsFile(request);
    const who = secret.path === undefined ? 'guest' : `credentials=${secret.path}`;
    const flags = `${access},${SAFE_OPTIONS},${who},soft,echo_interval=10,file_mode=0600,dir_mode=0700`;
    await mountBy('mount.cifs', [source.source, mountPoint, '-o', flags], options);
  }
}

/** With all it said: the reason stands in its first line. */
async function mountBy(
  program: string,
  args: readonly string[],
  { runProgram, ...options }: RunOptions & { runProgram: typeof run },
): Promise<void> {
  const okCodes = Array.from({ length: 256 }, (_, code) => code);
  const { code, stdout, stderr } = await runProgram(program, args, { ...options, okCodes });
  if (code === 0) return;
  const said = `${stderr} ${stdout}`.replace(/\s+/g, ' ').trim().slice(0, 500);
  throw new TdError('tool-failed', said === '' ? `${program} ended with ${code}` : said);
}

/** What `blkid` finds on a partition, such as the UUID by which it is found again under another name; empty when it has none. */
export async function filesystemTag(
  device: string,
  tag: 'UUID' | 'LABEL' | 'TYPE' | 'PTTYPE',
  runProgram: typeof run = run,
): Promise<string> {
  const args = ['-p', '-o', 'value', '-s', tag, device];
  const found = await runProgram('blkid', args, { okCodes: [0, 2, 4, 8], timeoutMs: PROBE_MS_MAX });
  return found.stdout.trim();
}

/** The device with such a filesystem, or undefined while it is not plugged in. */
export async function deviceOfUuid(uuid: string, runProgram: typeof run = run): Promise<string | undefined> {
  // Not from its cache: names change with every plugging in.
  const args = ['-c', '/dev/null', '-o', 'device', '-t', `UUID=${uuid}`];
  const found = await runProgram('blkid', args, { okCodes: [0, 2], timeoutMs: PROBE_MS_MAX });
  return found.stdout.trim().split('\n')[0] || undefined;
}

/** What `mount -t` is told: it would take NTFS for a filesystem that kernels no longer have. */
async function filesystemOf(device: string, runProgram: typeof run): Promise<string> {
  const type = await filesystemTag(device, 'TYPE', runProgram);
  if (type === 'ntfs') return 'ntfs3';
  if (type !== '') return type;
  const isDivided = (await filesystemTag(device, 'PTTYPE', runProgram)) !== '';
  throw new TdError(
    'invalid',
    isDivided
      ? `Cannot use "${device}": it is a whole disk; name one of its partitions`
      : `Cannot use "${device}": no file system is on it; format it first, or check that it is plugged in`,
  );
}

function checkCredentials(
  { user = '', password = '', domain = '' }: ShareRequest,
  source: ShareSource,
): void {
  const wrong = [user, password, domain].some((text) => text.length > 256 || /[\x00-\x1f\x7f]/.test(text));
  if (wrong) {
    throw new TdError(
      'usage',
      `Cannot use the credentials for "${source.source}": each must be one short line`,
    );
  }
  if (user === '' && password !== '') {
    throw new TdError('usage', `Cannot use a password for "${source.source}" without a user; name one`);
  }
}

/** Where no other user can read it, and never in an argument: those are for all to see. */
async function credentialsFile(
  request: ShareRequest,
): Promise<AsyncDisposable & { path: string | undefined }> {
  const { user = '', password = '', domain = '' } = request;
  if (user === '') return { path: undefined, [Symbol.asyncDispose]: async () => {} };
  const dir = await mkdtemp(join(tmpdir(), 'totaldeploy-mount-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    const path = join(dir, 'credentials');
    const lines = [
      `username=${user}`,
      `password=${password}`,
      ...(domain === '' ? [] : [`domain=${domain}`]),
    ];
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600, flag: 'wx' });
    return { path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function reachServer(server: string, port: number): Promise<void> {
  const socket = connect({ host: server, port });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', reject);
      const late = () => reject(new TdError('network', `no answer in ${ANSWER_MS_MAX / 1000} s`));
      setTimeout(late, ANSWER_MS_MAX).unref();
    });
  } catch (cause) {
    throw new TdError('network', `port ${port} of ${server}: ${errorLine(cause)}`, { cause });
  } finally {
    socket.destroy();
  }
}
