import { z } from 'zod';
import { ipv4Number, ipv4Text } from '../../../schema/template.ts';

const PREFIX_LENGTH_MAX = 30;

/** `255.255.255.0`, `24` or `/24` as 24; undefined when it is no subnet mask. */
export function maskPrefixLength(text: string): number | undefined {
  const [, digits] = /^\/?(\d{1,2})$/.exec(text.trim()) ?? [];
  for (let length = 1; length <= PREFIX_LENGTH_MAX; length += 1) {
    if (digits === undefined ? prefixLengthMask(length) === text.trim() : Number(digits) === length)
      return length;
  }
  return undefined;
}

export function prefixLengthMask(prefixLength: number): string {
  return ipv4Text(2 ** 32 - 2 ** (32 - prefixLength));
}

/** How many addresses a range has, or undefined while an end is no address. */
export function addressCount(first: string, last: string): number | undefined {
  const [from, to] = [first, last].map((text) =>
    z.ipv4().safeParse(text).success ? ipv4Number(text) : undefined,
  );
  return from === undefined || to === undefined || to < from ? undefined : to - from + 1;
}
