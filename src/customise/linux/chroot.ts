import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { TdError } from '../../lib/errors.ts';
import { type RunResult, run } from '../../lib/spawn.ts';
import type { SystemRoot } from '../system-root.ts';
import { findProgram } from './installed.ts';

export interface InsideOptions {
  /** Secrets go here, never into the arguments. */
  input?: string;
  /** Default 120,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Runs a program of the stopped system by name, inside it. Rejects with `not-found` when it is not installed, with
 * `tool-failed` when it ends with anything but 0; neither error shows the input.
 */
export type RunInside = (
  program: string,
  args: readonly string[],
  options?: InsideOptions,
) => Promise<RunResult>;

const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/** Folders that must be real: a link would put the mount elsewhere. */
const MOUNT_POINTS = ['proc', 'sys', 'dev', 'run'];

/**
 * Constant text; root, program and arguments come as `"$@"`. The mounts live in a mount namespace of their own and
 * end with it, as does every process with the process namespace, whose first one is the program.
 */
const SCRIPT = `set -e
mount -t proc proc "$1/proc"
mount --bind /sys "$1/sys"
mount --bind /dev "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
exec chroot "$@"`;

const NAMESPACES = [
  '--mount',
  '--propagation',
  'private',
  '--pid',
  '--fork',
  '--kill-child',
  '--net',
  '--ipc',
];

/** Needs root, and `unshare`, `mount`, `sh` and `chroot` on the running system. */
export function insideOf(root: SystemRoot): RunInside {
  return async (program, args, options = {}) => {
    const path = await findProgram(root, program);
    if (path === undefined) {
      throw new TdError(
        'not-found',
        `Cannot run "${program}" in the deployed system: it is not installed there`,
      );
    }
    await checkMountPoints(root);
    const { input, timeoutMs, signal } = options;
    const result = await run('unshare', [...NAMESPACES, 'sh', '-c', SCRIPT, 'sh', root.dir, path, ...args], {
      okCodes: ANY_CODE,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', DEBIAN_FRONTEND: 'noninteractive' },
      ...(input === undefined ? {} : { input }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (result.code === 0) return result;
    const said = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1) ?? '';
    throw new TdError(
      'tool-failed',
      `Cannot run "${program}" in the deployed system: it ended with ${result.code}: ${said}`,
    );
  };
}

async function checkMountPoints(root: SystemRoot): Promise<void> {
  for (const name of MOUNT_POINTS) {
    const stats = await lstat(join(root.dir, name)).catch(() => undefined);
    if (stats?.isDirectory()) continue;
    throw new TdError('refused', `Cannot run programs of the deployed system: its /${name} is no folder`);
  }
}
