import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { listDisks } from '../disk/disk-inventory.ts';
import { describeDisk } from '../disk/disk-rule.ts';
import { preflight } from '../disk/preflight.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';
import type { Machine, MachineDisk } from '../schema/machine.ts';

/** Which disks this agent may write to: the computer's, or one plain file. */
export type TargetScope = { kind: 'disks' } | { kind: 'file'; path: string };

export interface TargetRequest {
  diskRule: string;
  sizeBytesMin: number;
  logicalSectorBytes: number;
  table: DiskLayout['table'];
  firmware: Machine['firmware'];
}

export type TargetAnswer =
  | { ok: true; path: string; disk: MachineDisk; description: string; warnings: string[] }
  | { ok: false; reason: string; description: string };

/** The disks this agent may write to. @throws TdError `not-found` when the file does not exist. */
export async function disksInScope(scope: TargetScope, sectorBytes = 512): Promise<MachineDisk[]> {
  return scope.kind === 'disks' ? listDisks() : [await fileAsDisk(scope.path, sectorBytes)];
}

/** Looks at the disks as they are now and says which one takes the image, or why none does. */
export async function chooseTarget(
  scope: TargetScope,
  request: TargetRequest & { machineFirmware: Machine['firmware'] },
): Promise<TargetAnswer> {
  let disks: MachineDisk[];
  try {
    disks = await disksInScope(scope, request.logicalSectorBytes);
  } catch (error) {
    return { ok: false, reason: errorLine(error), description: '' };
  }
  const answer = preflight(disks, request);
  const description = answer.disk === undefined ? '' : describeDisk(answer.disk);
  if (!answer.ok || answer.disk === undefined) return { ok: false, reason: answer.reason, description };
  const path = scope.kind === 'file' ? scope.path : `/dev/${answer.disk.name.replaceAll('!', '/')}`;
  return { ok: true, path, disk: answer.disk, description, warnings: answer.warnings };
}

async function fileAsDisk(path: string, sectorBytes: number): Promise<MachineDisk> {
  const found = await stat(path).catch((cause) => {
    throw new TdError(
      'not-found',
      `Cannot deploy into "${path}": there is no such file; make it with "truncate -s SIZE ${path}"`,
      { cause },
    );
  });
  if (!found.isFile())
    throw new TdError('usage', `Cannot deploy into "${path}": it is no plain file; use --disk`);
  return {
    name: basename(resolve(path))
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .slice(0, 64),
    sizeBytes: found.size,
    logicalSectorBytes: sectorBytes,
    physicalSectorBytes: sectorBytes,
    model: 'disk image file',
    serial: '',
    wwn: '',
    bus: 'other',
    rotational: false,
    removable: false,
    readOnly: false,
    bootMedium: false,
  };
}
