import { TdError } from '../lib/errors.ts';

export type ShareKind = 'usb' | 'smb' | 'nfs';

export interface ShareSource {
  kind: ShareKind;
  /** As mount wants it: `/dev/sdb1`, `//server/share/path`, `server:/export/path`. */
  source: string;
  /** Empty for a disk. */
  server: string;
  /** Last part, as a person would call it. */
  label: string;
}

const CHARS_MAX = 1000;
const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\])$/;

/**
 * Reads a place as people write it: `\\server\share`, `//server/share/path` or `smb://server/share/path`;
 * `server:/path` or `nfs://server/path`; `/dev/sdb1`.
 *
 * @throws TdError `usage` naming the form that is wanted.
 */
export function parseShareSource(kind: ShareKind, text: string): ShareSource {
  const { forms, read } = KINDS[kind];
  const isLine = text.length <= CHARS_MAX && !/[\x00-\x1f\x7f]/.test(text);
  const found = isLine ? read(text.trim()) : undefined;
  if (found !== undefined) return { kind, ...found };
  throw new TdError(
    'usage',
    `Cannot use ${JSON.stringify(text.slice(0, 80))} as ${NAMES[kind]}: write ${forms}`,
  );
}

/** What a source's form says of its kind; undefined for a plain folder. */
export function shareKindOf(text: string): ShareKind | undefined {
  if (/^(smb:|cifs:)?(\/\/|\\\\)/i.test(text)) return 'smb';
  if (/^nfs:\/\//i.test(text) || /^(\[[^\]]+\]|[^/\s:]+):\//.test(text)) return 'nfs';
  return text.startsWith('/dev/') ? 'usb' : undefined;
}

const NAMES: Record<ShareKind, string> = { usb: 'a disk', smb: 'an SMB share', nfs: 'an NFS share' };

type Reader = (text: string) => Omit<ShareSource, 'kind'> | undefined;

const KINDS: Record<ShareKind, { forms: string; read: Reader }> = {
  usb: { forms: 'the partition, e.g. /dev/sdb1', read: readDevice },
  smb: { forms: '//SERVER/SHARE or //SERVER/SHARE/FOLDER', read: readSmb },
  nfs: { forms: 'SERVER:/EXPORT or SERVER:/EXPORT/FOLDER', read: readNfs },
};

function readDevice(text: string): Omit<ShareSource, 'kind'> | undefined {
  if (!/^\/dev\/[A-Za-z0-9._/-]+$/.test(text) || text.includes('..')) return undefined;
  return { source: text, server: '', label: text.split('/').at(-1)! };
}

function readSmb(text: string): Omit<ShareSource, 'kind'> | undefined {
  const match = /^(?:(?:smb|cifs):)?\/\/([^/]+)\/(.+)$/i.exec(text.replaceAll('\\', '/'));
  const server = match?.[1] ?? '';
  const path = cleanPath(match?.[2]);
  if (!HOST.test(server) || path === undefined) return undefined;
  return { source: `//${server}/${path}`, server: bare(server), label: path.split('/').at(-1)! };
}

function readNfs(text: string): Omit<ShareSource, 'kind'> | undefined {
  const match =
    /^nfs:\/\/([^/]+)\/(.*)$/i.exec(text) ?? /^(\[[^\]]+\]|[^/:\s]+):\/(.*)$/.exec(text) ?? undefined;
  const server = match?.[1] ?? '';
  const path = match?.[2] === '' ? '' : cleanPath(match?.[2]);
  if (!HOST.test(server) || path === undefined) return undefined;
  return {
    source: `${server}:/${path}`,
    server: bare(server),
    label: path.split('/').at(-1) || bare(server),
  };
}

/** Undefined for a path that leads upwards or has empty parts. */
function cleanPath(path: string | undefined): string | undefined {
  const parts = (path ?? '').replace(/\/+$/, '').split('/');
  return parts.some((part) => part === '' || part === '.' || part === '..') ? undefined : parts.join('/');
}

function bare(server: string): string {
  return server.replace(/^\[|\]$/g, '');
}
