import { isDeepStrictEqual } from 'node:util';
import type { Present } from '../lib/dialog.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import { askAfterBackup } from './after-backup.ts';
import { choicesDialog, confirmDialog, runningDialog } from './mode-menu.ts';
import { askForNetwork } from './network-dialog.ts';
import type { NetworkStatus } from './network-status.ts';
import type { PreosNetwork } from './preos-network.ts';
import type { PreosStart } from './preos-start.ts';
import type { BackupRequest, PreosRoles, RoleContext } from './role.ts';
import { runOverNetworks } from './role-network.ts';
import { type RoleEnd, superviseRole } from './role-supervisor.ts';
import type { ScreenProgram } from './screen-face.ts';
import type { Terminal } from './terminal.ts';
import type { TerminalCall, TtyScreen } from './tty-screen.ts';

export type RoleName = 'agent' | 'backup' | 'console';

export const ROLE_TITLES: Record<RoleName, string> = {
  agent: 'Deploy agent',
  backup: 'Backup agent',
  console: 'Console',
};

export interface RoleRunnerOptions {
  start: PreosStart;
  screen: TtyScreen;
  network: PreosNetwork;
  roles: PreosRoles;
  signal: AbortSignal;
  end(action: 'restart' | 'shutdown'): Promise<void>;
  openShell(terminal: Terminal): Promise<void>;
  networkSeconds: number;
}

interface Running {
  role: RoleName;
  title: string;
  stop: AbortController;
  signal: AbortSignal;
  /** Ends the role and starts it again. */
  restart(): void;
}

const BREAK_OFF = 'What runs now will be broken off; a half-written disk does not start.';

/** Runs roles one after the other, and lets people in meanwhile without disturbing them. */
export class RoleRunner {
  readonly #options: RoleRunnerOptions;
  readonly #logger: Logger;
  /** Terminals that are at a dialog of theirs. */
  readonly #busy = new Set<Terminal>();
  #running: Running | undefined;

  constructor(options: RoleRunnerOptions) {
    this.#options = options;
    this.#logger = options.start.logger;
  }

  /** Answers keys and lines of people until disposed. */
  listen(): Disposable {
    const remove = this.#options.screen.onCall((call) => void this.#answer(call));
    return { [Symbol.dispose]: () => void remove() };
  }

  async run(role: RoleName, isFirst: boolean): Promise<RoleEnd> {
    const { start } = this.#options;
    if (start.siteProblem !== undefined && role !== 'console')
      throw new TdError('invalid', start.siteProblem);
    if (role !== 'backup') return this.#supervise(role, (context) => this.#options.roles[role](context));
    const { disk, to, mode } = start.params;
    if (isFirst && mode === 'backup' && disk !== undefined && to !== undefined) {
      const end = await this.#backUp({ disk, to }, { isAttended: false });
      const after = start.params.after ?? 'wait';
      if (end.kind === 'done' && after !== 'wait') await this.#options.end(after);
      return end;
    }
    return this.#backUpByWizard(isFirst && mode === 'backup' ? { disk, to } : {});
  }

  async #backUpByWizard(given: { disk?: string | undefined; to?: string | undefined }): Promise<RoleEnd> {
    const { screen, network, signal, start, roles, networkSeconds } = this.#options;
    screen.show(plainView(ROLE_TITLES.backup, 'The settings of the backup are being entered'));
    await askForNetwork({ terminals: screen, network, signal, countdownSeconds: networkSeconds });
    await using wizard = await roles.openBackupWizard({
      params: start.params,
      site: start.site,
      logger: this.#logger,
      signal,
      given: {
        ...(given.disk === undefined ? {} : { disk: given.disk }),
        ...(given.to === undefined ? {} : { to: given.to }),
      },
    });
    for (let problem = ''; ; ) {
      const { result: request } = await screen.present(wizard.dialog(problem), { signal });
      if (request === 'left') return { kind: 'stopped' };
      const lines: string[] = [];
      const end = await this.#backUp(request, { isAttended: true, lines });
      if (signal.aborted) return end;
      problem = end.kind === 'failed' ? end.line : end.kind === 'stopped' ? 'The backup was cancelled' : '';
      if (end.kind !== 'done') continue;
      const after = request.after ?? start.params.after ?? 'wait';
      const next =
        after === 'wait'
          ? await askAfterBackup(screen, { lines: lines.map(wizard.inWords, wizard), signal })
          : after;
      if (next === 'menu') return end;
      if (next === 'another') continue;
      await this.#options.end(next);
      return end;
    }
  }

  async #backUp(
    request: BackupRequest,
    options: { isAttended: boolean; lines?: string[] },
  ): Promise<RoleEnd> {
    const work = async (context: RoleContext) => {
      const told = await this.#options.roles.backup(context, request);
      options.lines?.push(...told);
    };
    const isLocal = request.to.startsWith('/');
    return this.#supervise('backup', work, { isLocal, ...(options.isAttended ? { attemptsMax: 1 } : {}) });
  }

  async #supervise(
    role: RoleName,
    work: (context: RoleContext) => Promise<void>,
    options: { isLocal?: boolean; attemptsMax?: number } = {},
  ): Promise<RoleEnd> {
    const { start, screen, network } = this.#options;
    const title = ROLE_TITLES[role];
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, stop.signal]);
    const context = {
      params: start.params,
      site: start.site,
      screen,
      logger: this.#logger.child({ role }),
      signal,
      power: { act: (action: 'restart' | 'shutdown') => this.#options.end(action) },
      useScreens: (program: ScreenProgram) => screen.useScreens(program),
    };
    const ended = new AbortController();
    const running: Running = {
      ...{ role, title, stop, restart: () => {} },
      signal: AbortSignal.any([ended.signal, this.#options.signal]),
    };
    this.#running = running;
    const attempt = () =>
      runOverNetworks(work, {
        ...{ context, network, isLocal: options.isLocal === true },
        show: (status) => screen.show(networkView(title, status)),
        onStart: (restart) => {
          running.restart = restart;
        },
      });
    try {
      const { attemptsMax } = options;
      return await superviseRole(attempt, {
        ...{ title, screen, logger: this.#logger, signal },
        ...(attemptsMax === undefined ? {} : { attemptsMax }),
      });
    } finally {
      this.#running = undefined;
      // What was asked about it goes away with it.
      ended.abort();
    }
  }

  async #answer({ call, terminal }: TerminalCall): Promise<void> {
    if (this.#busy.has(terminal)) return;
    this.#busy.add(terminal);
    const signal = this.#running?.signal ?? this.#options.signal;
    try {
      const kind = call.kind === 'menu' ? await this.#askRunning(terminal, signal) : call.kind;
      if (call.kind === 'choice') await this.#choose(call.index, { terminal, signal });
      else if (kind !== undefined) await this.#do(kind, { terminal, signal });
    } catch (error) {
      if (!signal.aborted) this.#logger.warn({ error: errorLine(error) }, 'menu failed');
    } finally {
      this.#busy.delete(terminal);
    }
  }

  /** Undefined while nothing runs: then the mode menu is there already. */
  async #askRunning(terminal: Terminal, signal: AbortSignal) {
    const { screen } = this.#options;
    if (this.#running === undefined) return undefined;
    const dialog = runningDialog({ title: this.#running.title, choices: screen.view?.choices });
    return (await screen.present(dialog, { signal, on: terminal })).result;
  }

  async #do(kind: string, at: { terminal: Terminal; signal: AbortSignal }): Promise<void> {
    const { screen, network } = this.#options;
    const { terminal, signal } = at;
    switch (kind) {
      case 'shell':
        return this.#options.openShell(terminal);
      case 'screens':
        return screen.setMode(terminal, 'screens');
      case 'choices':
        return this.#choose(undefined, at);
      case 'network': {
        const isBusy = screen.view?.fraction !== undefined && screen.view.fraction < 1;
        const text = 'Data is on its way over this network. Changing it may break that off.';
        if (isBusy && !(await this.#confirm('Network settings', text, at))) return;
        const before = network.settings();
        await askForNetwork({ terminals: screen, network, signal, on: terminal });
        if (!isDeepStrictEqual(before, network.settings())) await this.#offerRestart(at);
        return;
      }
      case 'stop':
      case 'restart':
      case 'shutdown': {
        const title = { stop: 'Stop', restart: 'Restart', shutdown: 'Shut down' }[kind];
        const text = this.#running === undefined ? `${title} this computer?` : BREAK_OFF;
        if (!(await this.#confirm(title, text, at))) return;
        this.#running?.stop.abort();
        if (kind !== 'stop') await this.#options.end(kind);
      }
    }
  }

  /** A console listens where it was when it started. */
  async #offerRestart(at: { terminal: Terminal; signal: AbortSignal }): Promise<void> {
    const running = this.#running;
    if (running?.role !== 'console') return;
    const text = 'The console still uses the old network. Start it again? Its running jobs end.';
    if (await this.#confirm('Console', text, at)) running.restart();
  }

  async #confirm(
    title: string,
    text: string,
    { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
  ): Promise<boolean> {
    const { screen } = this.#options;
    return (await screen.present(confirmDialog(title, text), { signal, on: terminal })).result;
  }

  async #choose(
    index: number | undefined,
    { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
  ): Promise<void> {
    const { screen } = this.#options;
    const choices = screen.view?.choices;
    if (choices === undefined || choices.items.length === 0) return;
    const present: Present = async (dialog) =>
      (await screen.present(dialog, { signal, on: terminal })).result;
    const at = index ?? Number(await present(choicesDialog(choices)));
    if (at >= 0) await choices.pick(at, present);
  }
}

function plainView(title: string, activity: string): ScreenView {
  return { title, rows: [], activity, problems: [], hints: [] };
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
