import { formatBytes } from '../lib/progress.ts';
import type { Screen, ScreenView } from '../lib/screen.ts';
import type { ConsoleCore } from './console-core.ts';
import type { ConsoleStatus } from './console-methods.ts';
import { isEnded } from './store.ts';

const SHOW_INTERVAL_MS = 2000;
const PROBLEMS_SHOWN_MAX = 3;

/** Keeps a plain screen up to date; the returned function ends it. */
export function showConsole(
  core: ConsoleCore,
  options: { screen: Screen; status: ConsoleStatus },
): () => void {
  const { screen, status } = options;
  const problems: string[] = [];
  core.store.onEvent((event) => {
    if (event.level === 'error' || event.level === 'warn') problems.push(event.text);
    if (problems.length > PROBLEMS_SHOWN_MAX) problems.shift();
  });
  screen.milestone(`console ready ${status.name} ${status.address}`);
  const show = () => screen.show(consoleView(core, { status, problems: [...problems] }));
  show();
  const timer = setInterval(show, SHOW_INTERVAL_MS);
  return () => clearInterval(timer);
}

function consoleView(
  core: ConsoleCore,
  facts: { status: ConsoleStatus; problems: readonly string[] },
): ScreenView {
  const { status, problems } = facts;
  const running = core.jobs().filter((job) => !isEnded(job.state));
  const lines = running.map((job) => {
    const count = job.kind === 'deploy' ? `${job.targets.length} computers` : formatBytes(job.receivedBytes);
    return `${job.kind} "${job.image}" ${job.state}, ${count}`;
  });
  return {
    title: `TotalDeploy console ${status.name}`,
    rows: [
      { label: 'Address', value: `${status.address} (${status.interface})` },
      { label: 'Computers', value: String(core.computers.list().length) },
      { label: 'Images', value: status.imagesDir },
    ],
    activity: lines.join('; ') || 'Waiting for computers',
    problems,
    hints: [`Commands: totaldeploy computers, images, deploy, log --data ${status.dataDir}`],
  };
}
