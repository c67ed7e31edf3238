import { z } from 'zod';

/** `HOST`, `HOST:PORT`, an IPv4 address or a DNS name. */
export const hostPortSchema = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/)
  .refine((text) => {
    const port = /:(\d+)$/.exec(text)?.[1];
    return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
  });
