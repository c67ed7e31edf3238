import { askNumber, type Dialog } from '../lib/dialog.ts';
import type { ScreenChoices } from '../lib/screen.ts';
import { ConfirmPage } from '../lib/tui/message-page.ts';
import type { Countdown } from './countdown.ts';
import { MenuPage } from './menu-page.ts';

export type MenuChoice =
  | 'backup'
  | 'agent'
  | 'console'
  | 'network'
  | 'shell'
  | 'restart'
  | 'shutdown'
  | 'screens';
export type RunningChoice =
  | 'continue'
  | 'choices'
  | 'network'
  | 'shell'
  | 'stop'
  | 'restart'
  | 'shutdown'
  | 'screens';

const WORDS: Record<MenuChoice | RunningChoice, string> = {
  backup: 'Back up this computer',
  agent: 'Deploy agent: wait for an image',
  console: 'Console',
  network: 'Network settings',
  shell: 'Shell',
  restart: 'Restart',
  shutdown: 'Shut down',
  screens: 'Full screens on this terminal (VT220)',
  continue: 'Go on',
  choices: 'Choose what is offered here',
  stop: 'Stop and choose something else',
};

const MODE_CHOICES = ['backup', 'agent', 'console', 'network', 'shell', 'restart', 'shutdown'] as const;

/** Asks what this computer is to do; `screens` is offered only where there are lines. */
export function modeDialog(options: {
  problems: readonly string[];
  countdown?: Countdown | undefined;
}): Dialog<MenuChoice> {
  const { problems, countdown } = options;
  const question = 'What is this computer to do?';
  return {
    page: () =>
      new MenuPage<MenuChoice>({
        title: 'Start',
        helpTopic: 'preos.menu',
        question,
        problems,
        items: MODE_CHOICES.map((choice) => ({ choice, label: WORDS[choice] })),
        countdown,
        countdownLabel: WORDS.agent,
      }),
    lines: async (io) => {
      const choices: readonly MenuChoice[] = [...MODE_CHOICES, 'screens'];
      const left = countdown?.secondsLeft;
      const at = await askNumber(
        { ...io, ask: (asked) => io.ask(asked).finally(() => countdown?.stop()) },
        {
          title: question,
          lines: problems.map((line) => `! ${line}`),
          items: choices.map((choice) => WORDS[choice]),
          note: left === undefined ? [] : [`Without an answer in ${left} s: ${WORDS.agent}`],
        },
      );
      return choices[at]!;
    },
  };
}

/** Asks what to do while something runs on. */
export function runningDialog(options: {
  title: string;
  choices: ScreenChoices | undefined;
}): Dialog<RunningChoice> {
  const offered = (options.choices?.items.length ?? 0) === 0 ? [] : (['choices'] as const);
  const question = 'What runs goes on meanwhile.';
  const choices = ['continue', ...offered, 'network', 'shell', 'stop', 'restart', 'shutdown'] as const;
  return {
    onLeft: 'continue',
    page: () =>
      new MenuPage<RunningChoice>({
        title: options.title,
        helpTopic: 'preos.menu',
        question,
        items: choices
          .filter((choice) => choice !== 'choices')
          .map((choice) => ({ choice, label: WORDS[choice] })),
        onEscape: 'continue',
      }),
    lines: async (io) => {
      const all = [...choices, 'screens'] as const;
      const items = all.map((choice) => WORDS[choice]);
      return all[await askNumber(io, { title: options.title, lines: [question], items })]!;
    },
  };
}

/** Picks one of a role's choices where no status page lists them; answers its place, or -1 for none. */
export function choicesDialog({ title, items }: ScreenChoices): Dialog<string> {
  return {
    onLeft: '-1',
    page: () =>
      new MenuPage({
        title,
        helpTopic: 'preos.status',
        question: title,
        items: items.map((label, i) => ({ choice: String(i), label })),
        onEscape: '-1',
      }),
    lines: async (io) => {
      const at = await askNumber(io, { title, lines: [], items: [...items, 'Back'] });
      return String(at < items.length ? at : -1);
    },
  };
}

/** What ends or disturbs a running role happens only after a yes. */
export function confirmDialog(title: string, text: string): Dialog<boolean> {
  return {
    onLeft: false,
    page: () => new ConfirmPage(title, text),
    lines: async (io) => {
      const answer = await io.ask({ title, lines: [text], prompt: 'Type yes to do it:' });
      return answer.toLowerCase() === 'yes';
    },
  };
}
