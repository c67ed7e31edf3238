import { errorLine, TdError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Screen } from '../../lib/screen.ts';
import type { PageHost } from '../../lib/tui/page.ts';
import { runTui, type TuiInput, type TuiOutput } from '../../lib/tui/run-tui.ts';
import { PROGRAM_VERSION } from '../../lib/version.ts';
import { MenuPage } from '../../preos/menu-page.ts';
import { PREOS_HELP } from '../../preos/preos-help.ts';
import type { BackupRequest, BackupWizard } from '../../preos/role.ts';
import { StatusPage } from '../../preos/status-page.ts';
import type { Site } from '../../schema/site.ts';
import { runBackupRequest } from '../backup-request.ts';

export interface BackupTerminalOptions {
  input: TuiInput;
  output: TuiOutput;
  term: string;
  wizard: BackupWizard;
  site?: Site;
  logger: Logger;
  signal: AbortSignal;
  /** Replaced in tests. */
  runRequest?: typeof runBackupRequest;
}

/** Backs up by the wizard on a terminal until the person leaves it. */
export async function runBackupTerminal(options: BackupTerminalOptions): Promise<void> {
  const { input, output, term, logger, signal } = options;
  const firstPage = new BackupPage(options);
  const title = `TotalDeploy ${PROGRAM_VERSION}`;
  await runTui({ input, output, term, firstPage, help: PREOS_HELP, title, signal, logger });
}

/** Shows what the backup does, below the wizard and its result. */
class BackupPage extends StatusPage {
  readonly #options: BackupTerminalOptions;
  #cancel: AbortController | undefined;
  #isAsking = false;
  #hasStarted = false;
  #shownOn: PageHost<void> | undefined;

  constructor(options: BackupTerminalOptions) {
    super({
      keys: [{ key: 'Esc', name: 'escape', label: 'Cancel', call: { kind: 'stop' } }],
      onCall: (call) => {
        if (call.kind === 'stop') void this.#askCancel();
      },
    });
    this.#options = options;
  }

  override onShown(host: PageHost<void>): void {
    super.onShown(host);
    this.#shownOn = host;
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    void this.#run(host).finally(() => host.close());
  }

  async #run(host: PageHost<void>): Promise<void> {
    for (let problem = ''; !host.signal.aborted; ) {
      const request = await host.open(this.#options.wizard.dialog(problem).page());
      if (request === undefined || request === 'left') return;
      try {
        const results = await this.#backUp(request, host.signal);
        const next = await host.open(resultPage(results.map((line) => this.#options.wizard.inWords(line))));
        if (next !== 'another') return;
        problem = '';
      } catch (error) {
        problem = errorLine(error);
      }
    }
  }

  async #backUp(request: BackupRequest, over: AbortSignal): Promise<string[]> {
    const { logger, signal, site, runRequest = runBackupRequest } = this.#options;
    const cancel = new AbortController();
    this.#cancel = cancel;
    const screen: Screen = { milestone: () => {}, show: (view) => this.show(view) };
    try {
      return await runRequest(request, {
        ...(site === undefined ? {} : { site }),
        screen,
        logger,
        signal: AbortSignal.any([cancel.signal, signal, over]),
      });
    } finally {
      this.#cancel = undefined;
    }
  }

  async #askCancel(): Promise<void> {
    const host = this.#shownOn;
    if (this.#isAsking || this.#cancel === undefined || host === undefined) return;
    this.#isAsking = true;
    const text = 'Cancel the backup? What was stored of it is removed.';
    if (await host.confirm('Cancel', text)) {
      this.#cancel?.abort(new TdError('cancelled', 'The backup was cancelled'));
    }
    this.#isAsking = false;
  }
}

function resultPage(results: readonly string[]) {
  return new MenuPage({
    title: 'The backup is complete',
    helpTopic: 'preos.menu',
    results,
    question: 'What next?',
    items: [
      { choice: 'leave', label: 'Leave' },
      { choice: 'another', label: 'Back up something else' },
    ],
  });
}
