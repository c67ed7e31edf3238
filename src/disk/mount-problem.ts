import { type ErrorCode, errorLine, TdError } from '../lib/errors.ts';
import type { ShareSource } from './share-source.ts';

interface Reading {
  /** In what mount, mount.cifs, mount.nfs or the system said. */
  pattern: RegExp;
  code: ErrorCode;
  why: string;
}

/** The first that fits counts. mount.cifs gives the kernel's error number in brackets. */
const READINGS: readonly Reading[] = [
  {
    pattern: /not supported by the system|unknown filesystem type|No such device\b(?! or)|error\(19\)/i,
    code: 'tool-failed',
    why: 'this system has no driver for it; use the console of the boot media',
  },
  {
    pattern: /only root|must be superuser|Operation not permitted|error\(1\)/i,
    code: 'refused',
    why: 'only root may do that; run the console as root',
  },
  {
    pattern: /access denied by server/i,
    code: 'refused',
    why: "the server does not let this computer in; add its address to the server's exports",
  },
  {
    pattern: /error\(13\)|Permission denied|LOGON_FAILURE/i,
    code: 'refused',
    why: 'the server refuses the user or the password, or the user has no right to it; correct them',
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|could not resolve|Failed to resolve|Name or service not known/i,
    code: 'network',
    why: 'no server of that name is known; check the name, or use its address',
  },
  {
    pattern: /ECONNREFUSED|error\(111\)|Connection refused/i,
    code: 'network',
    why: 'the server is there but shares nothing; start its file service',
  },
  {
    pattern:
      /no answer|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|error\((?:101|110|112|113|115)\)|timed out|No route|did not end/i,
    code: 'network',
    why: 'the server does not answer; check that it runs and that the network reaches it',
  },
  {
    pattern:
      /error\((?:2|6)\)|No such file or directory|bad network name|No such device or address|does not exist/i,
    code: 'not-found',
    why: 'there is no such share, folder or disk; check the name',
  },
  {
    pattern: /error\((?:95|22)\)|Protocol not supported|Operation not supported|requested NFS version/i,
    code: 'refused',
    why: 'the server speaks no version of the protocol that is safe to use; update it (SMB 2.1 or NFS 3 at least)',
  },
  {
    pattern: /already mounted|busy/i,
    code: 'refused',
    why: 'it is in use already; unmount it there first',
  },
  {
    pattern: /wrong fs type|bad superblock|can't read superblock|structure needs cleaning|dirty/i,
    code: 'damaged',
    why: 'its file system cannot be read; check it (Windows: chkdsk, and shut Windows down fully)',
  },
];

/** One line that says what to do about a mount that failed; errors that say so already stay as they are. */
export function mountProblem(source: ShareSource, error: unknown): TdError {
  if (error instanceof TdError && ['usage', 'invalid', 'cancelled'].includes(error.code)) return error;
  const said = errorLine(error);
  const reading = READINGS.find(({ pattern }) => pattern.test(said));
  if (reading !== undefined) {
    return new TdError(reading.code, `Cannot use "${source.source}": ${reading.why}`, { cause: error });
  }
  return new TdError('io', `Cannot use "${source.source}": ${said}`, { cause: error });
}
