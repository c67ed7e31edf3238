import { TdError } from '../lib/errors.ts';
import { DEFAULT_PORTS } from '../schema/site.ts';

export type ConsolePorts = Record<keyof typeof DEFAULT_PORTS, number>;

/** Reads `control=5001,service=5003`. @throws TdError `usage` naming what is allowed. */
export function consolePorts(text: string): Partial<ConsolePorts> {
  const ports: Record<string, number> = {};
  for (const part of text.split(',')) {
    const [, name = '', digits = ''] = /^([a-z]+)=(\d{1,5})$/.exec(part.trim()) ?? [];
    const port = Number(digits);
    if (!Object.hasOwn(DEFAULT_PORTS, name) || port < 1 || port > 65_535) {
      throw new TdError(
        'usage',
        `Cannot use "${part}" as a port: write ${Object.keys(DEFAULT_PORTS).join(', ')} = 1 to 65535, e.g. control=5001,service=5003`,
      );
    }
    ports[name] = port;
  }
  return ports as Partial<ConsolePorts>;
}
