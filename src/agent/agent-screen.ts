import { formatBytes, formatSeconds, type ProgressState } from '../lib/progress.ts';
import { MENU_HINT, type ScreenChoices, type ScreenRow, type ScreenView } from '../lib/screen.ts';
import type { TargetStep } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';

const TITLE = 'Deploy agent';
const FAILED_HINT =
  'If writing had begun, the disk cannot start: correct what is named above and deploy again at the console.';
/** Where offers of the console are listed, if there are any. */
const CHOICES_PLACE: ScreenChoices = { title: '', items: [], pick: async () => {} };

/** Who this computer is: what a person needs to find it in the console's list. */
export function machineRows(machine: Machine): ScreenRow[] {
  const linked = machine.nics.filter((nic) => nic.link || nic.addresses.length > 0);
  const nics = linked.length > 0 ? linked : machine.nics;
  const model = [machine.vendor, machine.model, machine.serial].filter((text) => text !== '').join(' ');
  return [
    { label: 'Computer', value: model === '' ? 'unnamed' : model },
    ...nics.slice(0, 4).map((nic) => ({
      label: nic.name,
      value: [nic.mac, ...nic.addresses].join('  '),
    })),
  ];
}

export interface AgentScreenState {
  machine: Machine;
  /** Empty while there is none. */
  consoleName: string;
  activity: string;
  problems: readonly string[];
}

/** While no job runs: looking for the console, or waiting for what it says. */
export function waitingView(state: AgentScreenState): ScreenView {
  const { machine, consoleName, activity, problems } = state;
  const rows = machineRows(machine);
  if (consoleName !== '') rows.push({ label: 'Console', value: consoleName });
  return { title: TITLE, rows, activity, problems, hints: [MENU_HINT], choices: CHOICES_PLACE };
}

const STEP_WORDS: Partial<Record<TargetStep, string>> = {
  assigned: 'Reading what the image holds',
  'pre-flight': 'Checking whether the image fits',
  partitioning: 'Removing the old partition table',
  receiving: 'Receiving and writing',
  checking: 'Checking what was written',
  customising: 'Changing the deployed system',
  'boot-entry': 'Writing partition table and boot code',
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export interface JobScreenState {
  machine: Machine;
  consoleName: string;
  imageName: string;
  disk: string;
  step: TargetStep;
  /** What is just changed, e.g. the computer's name; else empty. */
  detail: string;
  /** All is written: the disk starts, whatever failed since. */
  isBootable: boolean;
  progress: ProgressState | undefined;
  problems: readonly string[];
  warnings: readonly string[];
}

/** One job on this computer. */
export function jobView(state: JobScreenState): ScreenView {
  const rows = machineRows(state.machine);
  rows.push({ label: 'Console', value: state.consoleName });
  rows.push({ label: 'Image', value: state.imageName });
  if (state.disk !== '') rows.push({ label: 'Disk', value: state.disk });
  const { progress } = state;
  const hasEnded = state.step === 'done' || state.step === 'failed' || state.step === 'cancelled';
  return {
    title: TITLE,
    rows,
    activity: [STEP_WORDS[state.step] ?? state.step, state.detail].filter((part) => part !== '').join(': '),
    ...(progress === undefined || progress.totalBytes === 0
      ? {}
      : { fraction: progress.doneBytes / progress.totalBytes, rate: progressWords(progress) }),
    problems: [...state.problems, ...state.warnings],
    hints: hasEnded ? endHints(state) : ['Do not switch this computer off.', MENU_HINT],
    ...(hasEnded ? { choices: CHOICES_PLACE } : {}),
  };
}

function endHints({ step, isBootable }: JobScreenState): string[] {
  return step === 'done' || isBootable ? [MENU_HINT] : [FAILED_HINT, MENU_HINT];
}

function progressWords(progress: ProgressState): string {
  const rate = `${formatBytes(progress.bytesPerSecond)}/s`;
  return progress.leftSeconds === undefined ? rate : `${rate}, ${formatSeconds(progress.leftSeconds)} left`;
}
