import { errorLine } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { runTui } from '../lib/tui/run-tui.ts';
import { Countdown } from './countdown.ts';
import type { MenuChoice } from './mode-menu.ts';
import { modeDialog } from './mode-menu.ts';
import type { NetworkOptions } from './network.ts';
import { askForNetwork } from './network-dialog.ts';
import { type Power, preosPower } from './power.ts';
import { PreosNetwork } from './preos-network.ts';
import { openTerminals, type PreosStart, readStart } from './preos-start.ts';
import type { PreosRoles } from './role.ts';
import { ROLE_TITLES, type RoleName, RoleRunner } from './role-runner.ts';
import type { RoleEnd } from './role-supervisor.ts';
import { runShell } from './shell.ts';
import { SITE_PATH } from './site-file.ts';
import type { Terminal } from './terminal.ts';
import { TtyScreen } from './tty-screen.ts';

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
  /** Replaced in tests. */
  runScreens?: typeof runTui;
  /** Replaced in tests. */
  openShell?: typeof runShell;
  /** How long the network dialog waits for a key; default 15. */
  networkSeconds?: number;
}

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
    runScreens: options.runScreens ?? runTui,
  });
  const mode = start.problems.length > 0 ? 'menu' : start.params.mode;
  screen.milestone(`start ${options.version} mode=${mode}`);
  for (const problem of start.problems) screen.milestone(`failed: ${problem}`);
  await using network = new PreosNetwork({
    params: start.params,
    screen,
    logger: start.logger,
    runDir,
    options: options.network ?? {},
  });
  await new Preos({ ...options, start, screen, network }).run(mode);
}

interface PreosParts extends Omit<PreosOptions, 'network'> {
  start: PreosStart;
  screen: TtyScreen;
  network: PreosNetwork;
}

class Preos {
  readonly #parts: PreosParts;
  readonly #start: PreosStart;
  readonly #screen: TtyScreen;
  readonly #logger: Logger;
  readonly #power: Power;
  readonly #signal: AbortSignal;
  readonly #runner: RoleRunner;
  /** Somebody is here, so nothing is done for nobody any more. */
  #isAttended = false;
  #isOver = false;

  constructor(parts: PreosParts) {
    this.#parts = parts;
    this.#start = parts.start;
    this.#screen = parts.screen;
    this.#logger = parts.start.logger;
    this.#signal = parts.signal ?? new AbortController().signal;
    this.#power = parts.power ?? preosPower({ screen: this.#screen, logger: this.#logger });
    this.#runner = new RoleRunner({
      start: parts.start,
      screen: parts.screen,
      network: parts.network,
      roles: parts.roles,
      signal: this.#signal,
      end: (action) => this.#end(action),
      openShell: (terminal) => this.#openShell(terminal),
      networkSeconds: parts.networkSeconds ?? 15,
    });
  }

  async run(mode: 'menu' | RoleName): Promise<void> {
    using _calls = this.#runner.listen();
    let problems: string[] = this.#start.problems;
    // Parameters steer the first run only: a second backup of the same name would be refused.
    let next: RoleName | undefined = mode === 'menu' ? undefined : mode;
    let isFirst = true;
    while (!this.#signal.aborted && !this.#isOver) {
      try {
        const role: RoleName | undefined = next ?? (await this.#menu(problems, isFirst));
        next = undefined;
        if (role === undefined) continue;
        problems = [];
        const end: RoleEnd = await this.#runner.run(role, isFirst);
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
    using countdown =
      timeout === undefined || !isFirst || this.#isAttended ? undefined : new Countdown(timeout);
    const dialog = modeDialog({ problems, countdown });
    const signals = countdown === undefined ? [this.#signal] : [this.#signal, countdown.over];
    try {
      const { result, terminal } = await this.#screen.present(dialog, { signal: AbortSignal.any(signals) });
      this.#isAttended = true;
      if (result in ROLE_TITLES) return result as RoleName;
      await this.#doNow(result as Exclude<MenuChoice, RoleName>, terminal);
      return undefined;
    } catch (error) {
      if (countdown?.over.aborted === true && !this.#signal.aborted) return 'agent';
      throw error;
    }
  }

  async #doNow(choice: Exclude<MenuChoice, RoleName>, terminal: Terminal): Promise<void> {
    switch (choice) {
      case 'restart':
      case 'shutdown':
        return this.#end(choice);
      case 'network':
        return askForNetwork({
          terminals: this.#screen,
          network: this.#parts.network,
          signal: this.#signal,
          on: terminal,
        });
      case 'screens':
        return this.#screen.setMode(terminal, 'screens');
      case 'shell':
        // The others keep their menu meanwhile.
        void this.#openShell(terminal);
    }
  }

  async #openShell(terminal: Terminal): Promise<void> {
    await this.#screen.lend(terminal, () =>
      (this.#parts.openShell ?? runShell)(terminal.path, terminal.term),
    );
  }

  async #end(action: 'restart' | 'shutdown'): Promise<void> {
    await this.#power.act(action);
    this.#isOver = true;
  }
}
