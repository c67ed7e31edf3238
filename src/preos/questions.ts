import { formatBytes } from '../lib/progress.ts';
import { type BootParams, bootParamsSchema } from '../schema/boot-params.ts';
import type { MachineDisk } from '../schema/machine.ts';
import type { NetworkSettings } from './network-plan.ts';
import type { BackupRequest } from './role.ts';
import type { AskingScreen } from './tty-screen.ts';

/** One line that tells disks apart: name, size, model, serial, bus. */
export function diskLine(disk: MachineDisk): string {
  const parts = [disk.name, formatBytes(disk.sizeBytes), disk.model, disk.serial, disk.bus];
  return parts.filter((part) => part !== '').join('  ');
}

/** Asks for what is missing of a backup: the disk from a numbered list, then the destination. */
export async function askBackup(
  screen: AskingScreen,
  options: {
    given: Partial<BackupRequest>;
    listDisks: () => Promise<MachineDisk[]>;
    signal: AbortSignal;
  },
): Promise<BackupRequest> {
  const disk = options.given.disk ?? (await askDisk(screen, options));
  const to = options.given.to ?? (await askDestination(screen, options.signal));
  return { disk, to };
}

async function askDisk(
  screen: AskingScreen,
  options: { listDisks: () => Promise<MachineDisk[]>; signal: AbortSignal },
): Promise<string> {
  let note = '';
  for (;;) {
    const disks = (await options.listDisks()).filter((disk) => !disk.bootMedium);
    const list = disks.map((disk, i) => `${i + 1}  ${diskLine(disk)}`);
    const lines = disks.length > 0 ? list : ['No disk was found: check its cable and the firmware settings.'];
    const answer = await screen.ask(
      {
        title: 'Which disk is to be backed up?',
        lines: [...lines, '', note],
        prompt: disks.length > 0 ? `Number (1-${disks.length}):` : 'Press Enter to look again:',
      },
      { signal: options.signal },
    );
    const text = answer?.text ?? '';
    const disk = /^[0-9]{1,3}$/.test(text) ? disks[Number(text) - 1] : undefined;
    if (disk !== undefined) return `/dev/${disk.name.replaceAll('!', '/')}`;
    note = text === '' ? '' : `"${text.slice(0, 40)}" is none of the numbers.`;
  }
}

async function askDestination(screen: AskingScreen, signal: AbortSignal): Promise<string> {
  return askValue(screen, {
    title: 'Where is the image stored?',
    lines: ['A name, e.g. lab-1: stored at the console.', 'A path, e.g. /mnt/lab-1.sco: stored there.'],
    prompt: 'Name or path:',
    signal,
    parse: (text) => {
      const to = text.startsWith('/') || text.startsWith('console:') ? text : `console:${text}`;
      const result = bootParamsSchema.shape.to.safeParse(to);
      return result.success && result.data !== undefined ? { value: result.data } : undefined;
    },
    wrong: 'use letters, digits, space, dot, dash and underscore, or an absolute path',
  });
}

/** Asks for address, card and VLAN; an empty answer keeps what is. */
export async function askNetwork(
  screen: AskingScreen,
  options: { now: NetworkSettings; rows: readonly string[]; signal: AbortSignal },
): Promise<NetworkSettings> {
  const { now, rows, signal } = options;
  const title = 'Network settings';
  const { shape } = bootParamsSchema;
  const ip = await askValue<BootParams['ip']>(screen, {
    title,
    lines: [...rows, '', 'Empty keeps what is set.'],
    prompt: 'Address: dhcp or ADDRESS/LENGTH[,GATEWAY[,DNS]]:',
    signal,
    parse: (text) => wrapped(text === '' ? { success: true, data: now.ip } : shape.ip.safeParse(text)),
    wrong: 'use dhcp or e.g. 10.0.0.5/24,10.0.0.1',
  });
  const iface = await askValue<NetworkSettings['iface']>(screen, {
    title,
    lines: rows,
    prompt: 'Card: name, MAC or all:',
    signal,
    parse: (text) => {
      if (text === '') return { value: now.iface };
      return text === 'all' ? { value: undefined } : wrapped(shape.iface.safeParse(text));
    },
    wrong: 'use a name from the list, a MAC address or all',
  });
  const vlan = await askValue<number | undefined>(screen, {
    title,
    lines: [],
    prompt: 'VLAN: 1 to 4094, or none:',
    signal,
    parse: (text) => {
      if (text === '') return { value: now.vlan };
      return text === 'none' ? { value: undefined } : wrapped(shape.vlan.safeParse(text));
    },
    wrong: 'use a whole number from 1 to 4094, or none',
  });
  return { ip, ...(iface === undefined ? {} : { iface }), ...(vlan === undefined ? {} : { vlan }) };
}

function wrapped<Value>(result: { success: boolean; data?: Value | undefined }) {
  return result.success ? { value: result.data as Value } : undefined;
}

/** Asks until `parse` gives a value. */
async function askValue<Value>(
  screen: AskingScreen,
  options: {
    title: string;
    lines: readonly string[];
    prompt: string;
    signal: AbortSignal;
    parse: (text: string) => { value: Value } | undefined;
    wrong: string;
  },
): Promise<Value> {
  const { title, lines, prompt, signal, parse, wrong } = options;
  let note = '';
  for (;;) {
    const answer = await screen.ask({ title, lines: [...lines, '', note], prompt }, { signal });
    const text = answer?.text ?? '';
    const parsed = parse(text);
    if (parsed !== undefined) return parsed.value;
    note = `"${text.slice(0, 60)}" cannot be used: ${wrong}.`;
  }
}
