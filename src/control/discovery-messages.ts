import { z } from 'zod';
import { errorLine } from '../lib/errors.ts';

/** Longest discovery datagram in bytes: it fits one Ethernet frame with room for every kind of tunnel. */
export const DISCOVERY_BYTES_MAX = 1200;

// One word that tells these datagrams from anything else sent to the port.
const MAGIC = 'totaldeploy';

export const discoverySchema = z.discriminatedUnion('type', [
  /** A computer looks for consoles. */
  z.strictObject({
    td: z.literal(MAGIC),
    type: z.literal('query'),
    protocol: z.number().int().min(0).max(0xffff),
    /** Given back in the answer, so that a computer takes only answers to itself. */
    nonce: z.string().regex(/^[0-9a-f]{16}$/),
  }),
  /** A console says where it is: announced to the group, and as the answer to a query. */
  z.strictObject({
    td: z.literal(MAGIC),
    type: z.literal('console'),
    protocol: z.number().int().min(0).max(0xffff),
    name: z.string().min(1).max(100),
    version: z.string().max(40),
    controlPort: z.number().int().min(1).max(65_535),
    certificateSha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** Of the query this answers; empty in an announcement. */
    nonce: z.union([z.string().regex(/^[0-9a-f]{16}$/), z.literal('')]),
  }),
]);

export type DiscoveryMessage = z.infer<typeof discoverySchema>;
export type ConsoleAnnouncement = Extract<DiscoveryMessage, { type: 'console' }>;

type WithoutMagic<T> = T extends unknown ? Omit<T, 'td'> : never;

export function encodeDiscovery(message: WithoutMagic<DiscoveryMessage>): Buffer {
  return Buffer.from(JSON.stringify({ td: MAGIC, ...message }), 'utf8');
}

export function decodeDiscovery(
  datagram: Uint8Array,
): { ok: true; message: DiscoveryMessage } | { ok: false; reason: string } {
  if (datagram.length > DISCOVERY_BYTES_MAX) return { ok: false, reason: 'too long' };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(datagram));
  } catch (error) {
    return { ok: false, reason: errorLine(error).slice(0, 200) };
  }
  const parsed = discoverySchema.safeParse(value);
  return parsed.success ? { ok: true, message: parsed.data } : { ok: false, reason: 'wrong fields' };
}
