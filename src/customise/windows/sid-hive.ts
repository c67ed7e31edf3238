import { setImmediate } from 'node:timers/promises';
import { TdError } from '../../lib/errors.ts';
import type { Hive } from '../registry-hive/hive.ts';
import type { HiveKey } from '../registry-hive/hive-key.ts';
import { MACHINE_SID_BYTES, type MachineSid, machineSidOf, machineSidText } from './sid.ts';
import { holdsSid, replaceSid, replaceSidText, type SidPattern } from './sid-patterns.ts';

/** S-1-5-21 with one more level than the machine's own SID has no room for: revision, levels, authority, 21. */
const SID_START = Buffer.from([1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]);
const SID_BYTES = SID_START.length + MACHINE_SID_BYTES;
/** Its file name field is Windows' own business and written anew by it. */
const BASE_BLOCK_BYTES = 4096;
/** A hive may have a million; in between the rest of the program must hear its console, which gives up the silent. */
const KEYS_AT_ONCE = 1000;

/**
 * The machine's SID: at the end of the account domain's record in SAM, and as the local security authority knows it.
 *
 * @throws TdError `invalid` when one of them is not there; `refused` when they differ.
 */
export function readMachineSid(sam: Hive, security: Hive): MachineSid {
  const account = sam.key('SAM\\Domains\\Account')?.value('V')?.data;
  const policy = security.key('Policy\\PolAcDmS')?.value('')?.data;
  const [inSam, inSecurity] = [
    decodeSid(account?.subarray(-SID_BYTES), 'SAM'),
    decodeSid(policy?.subarray(0, SID_BYTES), 'SECURITY'),
  ];
  if (machineSidText(inSam) !== machineSidText(inSecurity)) {
    throw new TdError(
      'refused',
      `Cannot replace the SID: SAM says ${machineSidText(inSam)} and SECURITY ${machineSidText(inSecurity)}`,
    );
  }
  return inSam;
}

function decodeSid(bytes: Buffer | undefined, hive: string): MachineSid {
  if (bytes?.length !== SID_BYTES || !bytes.subarray(0, SID_START.length).equals(SID_START)) {
    throw new TdError(
      'invalid',
      `Cannot read the SID of this Windows: its registry hive ${hive} does not hold it`,
    );
  }
  return machineSidOf(bytes.subarray(SID_START.length));
}

/**
 * Replaces a SID in everything a hive holds: names of keys and values, data, security; what was deleted is wiped.
 *
 * @returns in how many keys, values and security descriptors it was.
 * @throws TdError `invalid` when the hive is damaged, or when the SID is where it cannot be replaced.
 */
export async function replaceSidInHive(hive: Hive, patterns: readonly SidPattern[]): Promise<number> {
  const renamed: HiveKey[] = [];
  let count = 0;
  let keys = 0;
  for (const key of hive.keys()) {
    if (++keys % KEYS_AT_ONCE === 0) await setImmediate();
    count += replaceInValues(key, patterns);
    if (replaceSidText(key.name, patterns) !== key.name) renamed.push(key);
  }
  for (const key of renamed) key.rename(replaceSidText(key.name, patterns));
  count += renamed.length;
  return holds(hive, patterns) ? count + replaceInRest(hive, patterns) : count;
}

/** Whatever names and values it has been taken out of, security and deleted cells may hold it. */
function replaceInRest(hive: Hive, patterns: readonly SidPattern[]): number {
  const count = hive.changeSecurity((descriptor) =>
    replaceSid(descriptor, patterns) > 0 ? descriptor : undefined,
  );
  if (!holds(hive, patterns)) return count;
  hive.wipeUnused();
  if (!holds(hive, patterns)) return count;
  throw new TdError(
    'invalid',
    'Cannot replace the SID everywhere in a registry hive: it is damaged, or a class is named after it',
  );
}

function holds(hive: Hive, patterns: readonly SidPattern[]): boolean {
  return holdsSid(hive.toBuffer().subarray(BASE_BLOCK_BYTES), patterns);
}

function replaceInValues(key: HiveKey, patterns: readonly SidPattern[]): number {
  let count = 0;
  for (const { name, type, data } of key.values()) {
    const newName = replaceSidText(name, patterns);
    const newData = Buffer.from(data);
    if (replaceSid(newData, patterns) === 0 && newName === name) continue;
    if (newName !== name) key.delete(name);
    key.set(newName, { type, data: newData });
    count += 1;
  }
  return count;
}
