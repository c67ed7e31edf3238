import { formatBytes } from '../lib/progress.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';
import type { Machine, MachineDisk } from '../schema/machine.ts';
import { chooseDisk, describeDisk } from './disk-rule.ts';

export interface PreflightRequest {
  diskRule: string;
  /** The end of the last used byte: the target must reach it. */
  sizeBytesMin: number;
  logicalSectorBytes: number;
  table: DiskLayout['table'];
  /** The image was taken on this firmware. */
  firmware: Machine['firmware'];
  /** This computer was started by this firmware. */
  machineFirmware: Machine['firmware'];
}

export interface PreflightAnswer {
  ok: boolean;
  /** Why not, and what to do; empty when `ok`. */
  reason: string;
  disk?: MachineDisk;
  /** What works but may surprise. */
  warnings: string[];
}

/** Says whether a computer can take an image, before any byte is written; pure. */
export function preflight(disks: readonly MachineDisk[], request: PreflightRequest): PreflightAnswer {
  if (disks.length === 0) {
    return {
      ok: false,
      reason: 'This computer has no disk the system knows; check its controller',
      warnings: [],
    };
  }
  const choice = chooseDisk(disks, request.diskRule, {
    sizeBytesMin: request.sizeBytesMin,
    what: 'target disk',
  });
  if (!choice.ok) return { ok: false, reason: choice.reason, warnings: [] };
  const { disk } = choice;
  const no = (reason: string): PreflightAnswer => ({ ok: false, reason, disk, warnings: [] });
  if (disk.sizeBytes < request.sizeBytesMin) {
    return no(
      `Disk ${describeDisk(disk)} is too small: the image needs ${formatBytes(request.sizeBytesMin)} (${request.sizeBytesMin} bytes, it has ${disk.sizeBytes}); use a bigger disk`,
    );
  }
  // Tables and filesystems count in sectors: what was made for one size cannot be read with the other.
  if (disk.logicalSectorBytes !== request.logicalSectorBytes) {
    return no(
      `Disk ${describeDisk(disk)} has sectors of ${disk.logicalSectorBytes} bytes, the image ${request.logicalSectorBytes}; use a disk of the image's kind`,
    );
  }
  return { ok: true, reason: '', disk, warnings: firmwareWarnings(request) };
}

function firmwareWarnings(request: PreflightRequest): string[] {
  const { firmware, machineFirmware, table } = request;
  if (firmware === 'unknown' || machineFirmware === 'unknown' || firmware === machineFirmware) return [];
  const name = { bios: 'BIOS', uefi: 'UEFI', unknown: 'unknown' } as const;
  const cure = table === 'mbr' ? 'switch it to legacy (CSM) boot' : `switch it to ${name[firmware]} boot`;
  return [
    `The image was taken from a ${name[firmware]} computer and this one was started by ${name[machineFirmware]}; if it does not start afterwards, ${cure}`,
  ];
}
