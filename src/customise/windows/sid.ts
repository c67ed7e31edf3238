import { randomInt } from 'node:crypto';
import { TdError } from '../../lib/errors.ts';

/** What tells one computer's accounts from another's: the three numbers of S-1-5-21-a-b-c. */
export type MachineSid = readonly [number, number, number];

export interface SidChange {
  from: MachineSid;
  to: MachineSid;
}

/** A whole number from `min` up to, not including, `max`. */
export type RandomInt = (min: number, max: number) => number;

const SUB_AUTHORITY_MAX = 0xffff_ffff;
export const MACHINE_SID_BYTES = 12;
/** Fewer digits could be met by chance elsewhere; Windows draws all three at random from 32 bits. */
const DIGITS_MIN = 15;

/** @param bytes the last three sub-authorities as every SID stores them. */
export function machineSidOf(bytes: Buffer): MachineSid {
  if (bytes.length !== MACHINE_SID_BYTES) {
    throw new TdError('invalid', `Cannot read a machine SID: it has ${bytes.length} bytes, not 12`);
  }
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8)];
}

export function machineSidBytes(sid: MachineSid): Buffer {
  const bytes = Buffer.alloc(MACHINE_SID_BYTES);
  for (const [i, part] of sid.entries()) bytes.writeUInt32LE(part, i * 4);
  return bytes;
}

export function machineSidText(sid: MachineSid): string {
  return `S-1-5-21-${sid.join('-')}`;
}

/**
 * A new machine SID whose numbers have as many digits as the old ones, so that no text changes its length.
 *
 * @throws TdError `refused` when the old one is too short to be told from other numbers.
 */
export function newMachineSid(old: MachineSid, draw: RandomInt = randomInt): MachineSid {
  if (old.join('').length < DIGITS_MIN) {
    throw new TdError(
      'refused',
      `Cannot replace the SID ${machineSidText(old)}: it is too short to be found safely`,
    );
  }
  return [newSubAuthority(old[0], draw), newSubAuthority(old[1], draw), newSubAuthority(old[2], draw)];
}

/** Never the old one: one of the others of the same length, each as likely. */
function newSubAuthority(old: number, draw: RandomInt): number {
  const digits = String(old).length;
  const min = digits === 1 ? 0 : 10 ** (digits - 1);
  const max = Math.min(10 ** digits - 1, SUB_AUTHORITY_MAX);
  const drawn = draw(min, max);
  return drawn < old ? drawn : drawn + 1;
}
