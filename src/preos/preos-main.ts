import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import type { AfterAction } from '../schema/after-action.ts';
import { askMode, askWhileRunning, type MenuChoice } from './mode-menu.ts';
import { Network, type NetworkOptions } from './network.ts';
import type { NetworkSettings } from './network-plan.ts';
import type { NetworkStatus } from './network-status.ts';
import { type Power, preosPower } from './power.ts';
import { openTerminals, type PreosStart, readStart } from './preos-start.ts';
import { askBackup, askNetwork } from './questions.ts';
import type { BackupRequest, PreosRoles, RoleContext } from './role.ts';
import { type RoleEnd, superviseRole } from './role-supervisor.ts';
import { runShell } from './shell.ts';
import { SITE_PATH } from './site-file.ts';
import type { Terminal } from './terminal.ts';
import { type AskingScreen, TtyScreen } from './tty-screen.ts';

type RoleName = 'agent' | 'backup' | 'console';

export interface PreosOptions {
  version: string;
  roles: PreosRoles;
  signal?: AbortSignal;
  commandLinePath?: string;
  sitePath?: string;
  runDir?: string;
  /** Instead of tty1 and the serial ports. */
  terminals?: readonly Terminal[];
  power?: Power;
  /** Added to what the network is started with. */
  network?: Partial<NetworkOptions>;
}

const ROLE_TITLES: Record<RoleName, string> = {
  agent: 'Deploy agent',
  backup: 'Backup agent',
  console: 'Console',
};

/**
 * Everything the program does as the only program of the Pre-OS: reads the boot parameters, brings up
 * the network, runs the role or asks for it, and never ends before the computer does.
 *
 * @returns only when `signal` aborts or after a power action.
 */
export async function runPreos(options: PreosOptions): Promise<void> {
  const runDir = options.runDir ?? '/run/totaldeploy';
  const start = await readStart({
    commandLinePath: options.commandLinePath ?? '/proc/cmdline',
    sitePath: options.sitePath ?? SITE_PATH,
    runDir,
  });
  const terminals = options.terminals ?? (await openTerminals(start.commandLine));
  await using screen = new TtyScreen({
    terminals,
    logger: start.logger,
    programLine: `TotalDeploy ${options.version}`,
  });
  const mode = start.problems.length > 0 ? 'menu' : start.params.mode;
  screen.milestone(`start ${options.version} mode=${mode}`);
  for (const problem of start.problems) screen.milestone(`failed: ${problem}`);
  await using preos = new Preos({ ...options, runDir, start, screen });
  await preos.run(mode);
}

class Preos implements AsyncDisposable {
  readonly #options: PreosOptions & { runDir: string };
  readonly #start: PreosStart;
  readonly #screen: AskingScreen;
  readonly #logger: Logger;
  readonly #power: Power;
  readonly #signal: AbortSignal;
  readonly #told = new Set<string>();
  #settings: NetworkSettings;
  #network: Network;
  #isOver = false;

  constructor(options: PreosOptions & { runDir: string; start: PreosStart; screen: AskingScreen }) {
    this.#options = options;
    this.#start = options.start;
    this.#screen = options.screen;
    this.#logger = options.start.logger;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#power = options.power ?? preosPower({ screen: this.#screen, logger: this.#logger });
    const { ip, iface, vlan } = options.start.params;
    this.#settings = {
      ip,
      ...(iface === undefined ? {} : { iface }),
      ...(vlan === undefined ? {} : { vlan }),
    };
    this.#network = this.#startNetwork();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
  }

  async run(mode: 'menu' | RoleName): Promise<void> {
    let problems: string[] = this.#start.problems;
    // Parameters steer the first run only: a second backup of the same name would be refused.
    let next: RoleName | undefined = mode === 'menu' ? undefined : mode;
    let isFirst = true;
    while (!this.#signal.aborted && !this.#isOver) {
      try {
        const role: RoleName | undefined = next ?? (await this.#menu(problems, isFirst));
        next = undefined;
        problems = [];
        if (role === undefined) continue;
        const end = await this.#runRole(role, isFirst);
        isFirst = false;
        if (end.kind === 'failed') problems = [end.line];
      } catch (error) {
        if (this.#signal.aborted) return;
        problems = [errorLine(error)];
        this.#logger.error({ error: errorLine(error), stack: (error as Error).stack }, 'Pre-OS step failed');
        this.#screen.milestone(`failed: ${errorLine(error)}`);
      }
    }
  }

  /** Answers undefined when the choice was no role and has been done. */
  async #menu(problems: readonly string[], isFirst: boolean): Promise<RoleName | undefined> {
    const { timeout } = this.#start.params;
    const { choice, terminal } = await askMode(this.#screen, {
      problems,
      signal: this.#signal,
      ...(timeout === undefined || !isFirst ? {} : { timeoutMs: timeout * 1000 }),
    });
    await this.#doNow(choice, terminal);
    return choice === 'agent' || choice === 'backup' || choice === 'console' ? choice : undefined;
  }

  async #doNow(choice: MenuChoice, terminal: Terminal | undefined): Promise<void> {
    if (choice === 'restart' || choice === 'shutdown') await this.#end(choice);
    if (choice === 'network') await this.#changeNetwork();
    if (choice === 'shell' && terminal !== undefined) {
      await this.#screen.lend(terminal, () => runShell(terminal.path));
    }
  }

  async #end(action: 'restart' | 'shutdown'): Promise<void> {
    await this.#power.act(action);
    this.#isOver = true;
  }

  #startNetwork(): Network {
    const network = new Network({
      settings: this.#settings,
      logger: this.#logger.child({ part: 'network' }),
      runDir: this.#options.runDir,
      ...this.#options.network,
    });
    network.onStatus((status) => {
      for (const { name, address } of status.usable) {
        const text = `network ${name} ${address}`;
        if (this.#told.has(text)) continue;
        this.#told.add(text);
        this.#screen.milestone(text);
      }
    });
    return network;
  }

  async #changeNetwork(): Promise<void> {
    const rows = this.#network.status().rows.map((row) => `${row.label}  ${row.value}`);
    this.#settings = await askNetwork(this.#screen, { now: this.#settings, rows, signal: this.#signal });
    await this.#network[Symbol.asyncDispose]();
    this.#network = this.#startNetwork();
  }

  async #runRole(role: RoleName, isFirst: boolean): Promise<RoleEnd> {
    const start = this.#start;
    if (start.siteProblem !== undefined && role !== 'console')
      throw new TdError('invalid', start.siteProblem);
    const request = role === 'backup' ? await this.#backupRequest(isFirst) : undefined;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const context: RoleContext = {
      params: start.params,
      site: start.site,
      screen: this.#screen,
      logger: this.#logger.child({ role }),
      signal,
      power: { act: (action) => this.#end(action) },
    };
    const isLocal = request?.to.startsWith('/') === true;
    const work = async () => {
      if (!isLocal) await this.#waitForNetwork(ROLE_TITLES[role], signal);
      if (request !== undefined) await this.#options.roles.backup(context, request);
      else await this.#options.roles[role as 'agent' | 'console'](context);
    };
    const title = ROLE_TITLES[role];
    const running = superviseRole(work, { title, screen: this.#screen, logger: this.#logger, signal });
    const end = await this.#whileRunning(running, { title, stop });
    if (role === 'backup' && end.kind === 'done') await this.#after(start.params.after ?? 'wait');
    return end;
  }

  async #backupRequest(isFirst: boolean): Promise<BackupRequest> {
    const { disk, to, mode } = this.#start.params;
    const isUnattended = isFirst && mode === 'backup';
    return askBackup(this.#screen, {
      given: isUnattended
        ? { ...(disk === undefined ? {} : { disk }), ...(to === undefined ? {} : { to }) }
        : {},
      listDisks: this.#options.roles.listDisks,
      signal: this.#signal,
    });
  }

  async #after(after: AfterAction): Promise<void> {
    if (after !== 'wait') await this.#end(after);
  }

  async #waitForNetwork(title: string, signal: AbortSignal): Promise<void> {
    const show = (status: NetworkStatus) => this.#screen.show(networkView(title, status));
    const network = this.#network;
    if (network.status().usable.length > 0) return;
    show(network.status());
    const stopShowing = network.onStatus(show);
    try {
      await network.ready(signal);
    } finally {
      stopShowing();
    }
  }

  /** Lets a person in at any time by a line on any terminal, without disturbing the role. */
  async #whileRunning(
    running: Promise<RoleEnd>,
    { title, stop }: { title: string; stop: AbortController },
  ): Promise<RoleEnd> {
    const ended = new AbortController();
    const end = running.finally(() => ended.abort());
    const keySignal = AbortSignal.any([ended.signal, this.#signal]);
    while (!keySignal.aborted) {
      try {
        await this.#screen.nextLine(keySignal);
        const { choice, terminal } = await askWhileRunning(this.#screen, { title, signal: keySignal });
        if (choice === 'stop') stop.abort();
        else if (choice !== 'continue') await this.#doNow(choice, terminal);
        if (choice === 'restart' || choice === 'shutdown') stop.abort();
      } catch (error) {
        if (!keySignal.aborted) this.#logger.warn({ error: errorLine(error) }, 'menu failed');
      }
      if (stop.signal.aborted) break;
    }
    return end;
  }
}

function networkView(title: string, status: NetworkStatus): ScreenView {
  return {
    title,
    rows: status.rows,
    activity: status.activity,
    problems: status.problems,
    hints: ['It keeps trying. Press Enter for the menu (network settings, shell, restart).'],
  };
}
