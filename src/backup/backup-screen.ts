import { formatBytes, formatSeconds, type ProgressState } from '../lib/progress.ts';
import type { Screen, ScreenRow } from '../lib/screen.ts';

/** Draws what the backup agent is doing. */
export class BackupScreen {
  readonly #screen: Screen;
  readonly #rows = new Map<string, string>();
  readonly #warnings: string[] = [];
  #activity = 'Starting';

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  row(label: string, value: string): void {
    this.#rows.set(label, value);
  }

  /** A new step: shown, and told as a milestone. */
  step(step: string, activity: string): void {
    this.#activity = activity;
    this.#screen.milestone(`TOTALDEPLOY state ${step} ${activity}`);
    this.#show({});
  }

  warn(line: string): void {
    this.#warnings.push(line);
    this.#show({});
  }

  progress(state: ProgressState): void {
    const left = state.leftSeconds === undefined ? '' : `, ${formatSeconds(state.leftSeconds)} left`;
    this.#show({
      fraction: state.totalBytes === 0 ? 1 : state.doneBytes / state.totalBytes,
      rate: `${formatBytes(state.doneBytes)} of ${formatBytes(state.totalBytes)}, ${formatBytes(state.bytesPerSecond)}/s${left}`,
    });
  }

  connected(consoleName: string): void {
    this.#screen.milestone(`TOTALDEPLOY connected to ${consoleName}`);
  }

  done(line: string): void {
    this.#activity = 'The image is complete';
    this.row('Result', line);
    this.#screen.milestone(`TOTALDEPLOY done ${line}`);
    this.#show({ fraction: 1 });
  }

  /** Shown only: whoever runs the role tells what it ended with, once. */
  failed(line: string): void {
    this.#activity = 'The capture failed; nothing was stored';
    this.#show({
      problems: [line],
      hints: ['Mend what is named above, then start this computer from the medium again.'],
    });
  }

  #show(view: { fraction?: number; rate?: string; problems?: string[]; hints?: string[] }): void {
    const rows: ScreenRow[] = [...this.#rows].map(([label, value]) => ({ label, value }));
    this.#screen.show({
      title: 'Backup agent',
      rows,
      activity: this.#activity,
      ...(view.fraction === undefined ? {} : { fraction: view.fraction }),
      ...(view.rate === undefined ? {} : { rate: view.rate }),
      problems: [...this.#warnings, ...(view.problems ?? [])],
      hints: view.hints ?? [],
    });
  }
}
