import { openLog } from '../../lib/log.ts';
import { consolePorts } from '../console-ports.ts';
import { runConsole } from '../console-role.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

export interface StartFlags {
  data: string;
  images?: string;
  interface?: string;
  name?: string;
  ports?: string;
  acceptUnknown?: true;
  debug?: true;
}

/** `console`: runs until Ctrl-C. */
export async function runStart(flags: StartFlags, context: ConsoleCommandContext): Promise<void> {
  await runConsole({
    dataDir: flags.data,
    ...(flags.images === undefined ? {} : { imagesDir: flags.images }),
    ...(flags.interface === undefined ? {} : { interface: flags.interface }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.ports === undefined ? {} : { ports: consolePorts(flags.ports) }),
    acceptUnknown: flags.acceptUnknown === true,
    headless: true,
    logger: openLog({ level: flags.debug === true ? 'debug' : 'info' }),
    signal: context.signal,
    onReady: ({ name, address, ports, imagesDir }) =>
      context.out(
        `Console "${name}" is ready on ${address}, TCP ${ports.control} and ${ports.service}; images in ${imagesDir}\n`,
      ),
  });
}
