import { sleep } from '../lib/clock.ts';
import { askLine, type Dialog, type LineIo } from '../lib/dialog.ts';
import { bootParamsSchema } from '../schema/boot-params.ts';
import { Countdown } from './countdown.ts';
import { NetworkPage } from './network-page.ts';
import type { NetworkSettings } from './network-plan.ts';
import { NetworkResultPage } from './network-result-page.ts';
import type { NetworkStatus } from './network-status.ts';
import type { Terminal } from './terminal.ts';
import type { Terminals } from './tty-screen.ts';

/** How long a line terminal waits for an address before it asks on. */
const LINES_PATIENCE_MS = 15_000;

/** The network as the dialog sees it. */
export interface ChangeableNetwork {
  settings(): NetworkSettings;
  status(): NetworkStatus;
  apply(settings: NetworkSettings): Promise<void>;
}

export interface NetworkDialogOptions {
  terminals: Terminals;
  network: ChangeableNetwork;
  signal: AbortSignal;
  /** Only there; everywhere when missing. */
  on?: Terminal | undefined;
  /** Applies what stands there by itself after so many seconds without a key. */
  countdownSeconds?: number;
}

/** Asks for the network's settings, applies them and shows what came of it. */
export async function askForNetwork(options: NetworkDialogOptions): Promise<void> {
  const { terminals, network, signal, on } = options;
  let seconds = options.countdownSeconds;
  for (;;) {
    const settings = await askSettings(options, seconds);
    seconds = undefined;
    if (settings === 'keep') return;
    if (settings !== undefined) await network.apply(settings);
    const { result } = await terminals.present(resultDialog(network), { signal, on });
    if (result === 'on') return;
  }
}

/** Undefined when the countdown ran out: what is set stays. */
async function askSettings(
  options: NetworkDialogOptions,
  seconds: number | undefined,
): Promise<NetworkSettings | 'keep' | undefined> {
  const { terminals, network, signal, on } = options;
  using countdown = seconds === undefined ? undefined : new Countdown(seconds);
  const over = countdown?.over;
  const dialog = settingsDialog(network, countdown);
  try {
    const until = over === undefined ? signal : AbortSignal.any([signal, over]);
    return (await terminals.present(dialog, { signal: until, on })).result;
  } catch (error) {
    if (over?.aborted && !signal.aborted) return undefined;
    throw error;
  }
}

function settingsDialog(
  network: ChangeableNetwork,
  countdown: Countdown | undefined,
): Dialog<NetworkSettings | 'keep'> {
  return {
    onLeft: 'keep',
    page: () =>
      new NetworkPage({ now: network.settings(), interfaces: () => network.status().interfaces, countdown }),
    lines: async (io) => {
      if (countdown !== undefined) {
        const left = countdown.secondsLeft;
        const answer = await io.ask({
          title: 'Network settings',
          lines: statusLines(network.status()),
          prompt: `Applied as they are in ${left} s; c and Enter changes them:`,
        });
        countdown.stop();
        if (answer.toLowerCase() !== 'c') return 'keep';
      }
      return askSettingsByLines(io, network);
    },
  };
}

function statusLines(status: NetworkStatus): string[] {
  return [...status.rows.map((row) => `${row.label}  ${row.value}`), status.activity, ...status.problems];
}

/** An empty answer keeps what is. */
async function askSettingsByLines(io: LineIo, network: ChangeableNetwork): Promise<NetworkSettings> {
  const now = network.settings();
  const { shape } = bootParamsSchema;
  const title = 'Network settings';
  const ip = await askLine(io, {
    title,
    lines: [...statusLines(network.status()), 'Empty keeps what is set.'],
    prompt: 'Address: dhcp or ADDRESS/LENGTH[,GATEWAY[,DNS]]:',
    parse: (text) =>
      given(
        text === '' ? { value: now.ip } : shape.ip.safeParse(text),
        'use dhcp or e.g. 10.0.0.5/24,10.0.0.1',
      ),
  });
  const iface = await askLine<NetworkSettings['iface']>(io, {
    title,
    lines: [],
    prompt: 'Card: name, MAC or all:',
    parse: (text) => {
      if (text === '') return { value: now.iface };
      if (text === 'all') return { value: undefined };
      return given(shape.iface.safeParse(text), 'use a name from the list, a MAC address or all');
    },
  });
  const vlan = await askLine<number | undefined>(io, {
    title,
    lines: [],
    prompt: 'VLAN: 1 to 4094, or none:',
    parse: (text) => {
      if (text === '') return { value: now.vlan };
      if (text === 'none') return { value: undefined };
      return given(shape.vlan.safeParse(text), 'use a whole number from 1 to 4094, or none');
    },
  });
  return { ip, ...(iface === undefined ? {} : { iface }), ...(vlan === undefined ? {} : { vlan }) };
}

function given<Value>(
  result: { value: Value } | { success: boolean; data?: Value | undefined },
  wrong: string,
): { value: Value } | string {
  if ('value' in result) return result;
  return result.success ? { value: result.data as Value } : wrong;
}

function resultDialog(network: ChangeableNetwork): Dialog<'on' | 'change'> {
  return {
    onLeft: 'change',
    page: () => new NetworkResultPage(() => network.status()),
    lines: async (io) => {
      for (let waitedMs = 0; waitedMs < LINES_PATIENCE_MS; waitedMs += 250) {
        if (network.status().usable.length > 0) break;
        await sleep(250, io.signal);
      }
      const status = network.status();
      if (status.usable.length > 0) {
        io.tell(status.usable.map(({ name, address }) => `${name} has the address ${address}.`));
        return 'on';
      }
      const answer = await io.ask({
        title: 'There is no address yet',
        lines: statusLines(status),
        prompt: 'Enter goes on without it; c and Enter changes the settings:',
      });
      return answer.toLowerCase() === 'c' ? 'change' : 'on';
    },
  };
}
