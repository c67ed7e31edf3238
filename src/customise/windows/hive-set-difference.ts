import { setImmediate } from 'node:timers/promises';
import type { HiveKey } from '../registry-hive/hive-key.ts';

/** In between the rest of the program must hear its console, which gives up the silent. */
const KEYS_AT_ONCE = 1000;

/** Path of the first key in which two trees differ in names, classes, values or security; undefined: in none. */
export async function hiveDifference(one: HiveKey, other: HiveKey): Promise<string | undefined> {
  const ahead: [HiveKey, HiveKey][] = [[one, other]];
  let keys = 0;
  for (let pair = ahead.pop(); pair !== undefined; pair = ahead.pop()) {
    if (++keys % KEYS_AT_ONCE === 0) await setImmediate();
    const [a, b] = pair;
    const children = a.subkeys();
    const others = b.subkeys();
    if (!sameKey(a, b) || children.length !== others.length) return a.path;
    for (const [i, child] of children.entries()) ahead.push([child, others[i]!]);
  }
  return undefined;
}

function sameKey(a: HiveKey, b: HiveKey): boolean {
  if (a.name !== b.name || a.className !== b.className) return false;
  if (!a.securityDescriptor.equals(b.securityDescriptor)) return false;
  const values = a.values();
  const others = b.values();
  return (
    values.length === others.length &&
    values.every((value, i) => {
      const other = others[i]!;
      return value.name === other.name && value.type === other.type && value.data.equals(other.data);
    })
  );
}
