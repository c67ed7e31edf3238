import { z } from 'zod';

/** Ports and groups of the user's guide; all can be changed. */
export const DEFAULT_PORTS = { control: 5001, discovery: 5002, service: 5003, data: 5004 } as const;
export const DISCOVERY_GROUP = '239.254.1.1';
export const DATA_GROUP = '239.254.1.2';

/**
 * What exported media carry so that an agent trusts one console and no other: `/etc/totaldeploy/site.json`
 * in a cpio archive that the boot loader passes as one more initrd.
 */
export const siteSchema = z.strictObject({
  version: z.literal(1),
  /** `HOST` or `HOST:PORT`; empty when the console is to be found by discovery. */
  console: z.string().max(256),
  /** SHA-256 of the console's certificate (DER), 64 lower-case hexadecimal digits. */
  certificateSha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** 32 random bytes as 64 lower-case hexadecimal digits. */
  siteKey: z.string().regex(/^[0-9a-f]{64}$/),
});

export type Site = z.infer<typeof siteSchema>;
