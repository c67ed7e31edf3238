import { hostname } from 'node:os';
import { openIdentity } from '../../control/identity.ts';
import { TdError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import { EXPORT_KINDS, type ExportKind } from '../../media/export.ts';
import { BOOT_MODES, type BootMode } from '../../schema/boot-params.ts';
import type { ExportParams, UsbStick } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { runMediaExport, workDirOf } from '../media-export.ts';
import { listSticks } from '../usb-sticks.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { type ImageCommandContext, terminalContext } from './image-command-context.ts';

export interface ExportFlags {
  data: string;
  media?: string;
  /** `HOST[:PORT]`; without it computers find the console by discovery. */
  console?: string;
  /** Default: what the kind's name says; pxe starts agents, usb asks. */
  mode?: string;
  timeout?: string;
  param?: string[];
  server?: string;
  /** For a stick where nobody can be asked: its size in bytes, as `totaldeploy usb` shows it. */
  confirmSize?: string;
  json?: true;
}

interface ExportContext {
  flags: ExportFlags;
  context: ConsoleCommandContext;
  /** Replaced in tests. */
  terminal?: Pick<ImageCommandContext, 'ask' | 'progress' | 'progressEnd'>;
}

/** `export KIND DEST`: boot media that trust this console and no other; needs no running console. */
export async function runExport(kind: string, dest: string, options: ExportContext): Promise<void> {
  const { flags, context } = options;
  const terminal = options.terminal ?? terminalContext(context.signal);
  if (!EXPORT_KINDS.includes(kind as ExportKind)) {
    throw new TdError('usage', `Cannot export "${kind}": use ${EXPORT_KINDS.join(', ')}`);
  }
  const params: ExportParams = {
    kind: kind as ExportKind,
    dest,
    ...(flags.console === undefined ? {} : { console: flags.console }),
    ...(flags.mode === undefined ? {} : { mode: bootMode(flags.mode) }),
    ...(flags.timeout === undefined ? {} : { timeoutSeconds: menuSeconds(flags.timeout) }),
    ...(flags.param === undefined ? {} : { params: flags.param }),
    ...(flags.server === undefined ? {} : { serverAddress: flags.server }),
    ...(dest.startsWith('/dev/') ? { confirmBytes: await confirmedBytes(dest, flags, terminal.ask) } : {}),
  };
  const identity = await openIdentity(consolePaths(flags.data).identity, { name: hostname() });
  let result: { path: string; sizeBytes: number };
  try {
    result = await runMediaExport(params, {
      identity,
      workDir: workDirOf(flags.data),
      ...(flags.media === undefined ? {} : { mediaDir: flags.media }),
      signal: context.signal,
      onProgress: (step, doneBytes, totalBytes) => terminal.progress(step, doneBytes, totalBytes),
    });
  } finally {
    terminal.progressEnd();
  }
  if (flags.json === true) {
    context.out(`${JSON.stringify({ ...result, certificateSha256: identity.certificateSha256 }, null, 2)}\n`);
    return;
  }
  context.out(
    `Wrote "${dest}"; computers started from it trust this console (${identity.certificateSha256.slice(0, 16)}…)\n`,
  );
}

/** `usb`: the sticks that boot media can be written to. */
export async function runUsb(
  flags: { json?: true },
  context: Pick<ConsoleCommandContext, 'out'>,
): Promise<void> {
  const sticks = await listSticks();
  if (flags.json === true) {
    context.out(`${JSON.stringify(sticks, null, 2)}\n`);
    return;
  }
  if (sticks.length === 0) {
    context.out('No USB stick can be written to. Plug one in that is not mounted.\n');
    return;
  }
  for (const stick of sticks) context.out(`${stickText(stick)}\n`);
}

async function confirmedBytes(
  device: string,
  flags: ExportFlags,
  ask: ImageCommandContext['ask'],
): Promise<number> {
  if (flags.confirmSize !== undefined) {
    if (!/^[0-9]{1,15}$/.test(flags.confirmSize)) {
      throw new TdError('usage', `Cannot use "${flags.confirmSize}" as a size: write bytes, digits only`);
    }
    return Number(flags.confirmSize);
  }
  if (ask === undefined) {
    throw new TdError(
      'usage',
      `Writing overwrites all of "${device}": give its size with --confirm-size where nobody can be asked`,
    );
  }
  const stick = (await listSticks()).find((one) => one.device === device);
  if (stick === undefined) {
    throw new TdError(
      'refused',
      `Cannot write to "${device}": "totaldeploy usb" lists the sticks that can be`,
    );
  }
  const size = formatBytes(stick.sizeBytes);
  const answer = await ask(
    `${stickText(stick)}\nEverything on it will be overwritten. Type its size, ${size}, to go on: `,
  );
  const plain = (text: string) => text.replace(/\s/g, '').toLowerCase();
  if (plain(answer) === plain(size)) return stick.sizeBytes;
  throw new TdError('refused', `Not written: "${answer.trim()}" is not the size of "${device}", ${size}`);
}

function stickText({ device, model, serial, sizeBytes, contents }: UsbStick): string {
  const what = [model, serial === '' ? '' : `serial ${serial}`].filter((text) => text !== '').join(', ');
  return `${device}  ${formatBytes(sizeBytes)} (${sizeBytes} bytes)  ${what || 'unknown model'}\n  ${contents.join('\n  ')}`;
}

function bootMode(text: string): BootMode {
  const found = BOOT_MODES.find((mode) => mode === text);
  if (found === undefined) {
    throw new TdError('usage', `Cannot start "${text}" by default: use ${BOOT_MODES.join(', ')}`);
  }
  return found;
}

function menuSeconds(text: string): number | null {
  if (text === 'none') return null;
  if (!/^[0-9]{1,4}$/.test(text)) {
    throw new TdError('usage', `Cannot use "${text}" as the menu's waiting time: write seconds, or none`);
  }
  return Number(text);
}
