import type { Terminal } from './terminal.ts';
import type { Asking, AskingScreen } from './tty-screen.ts';

export const MENU_CHOICES = [
  'backup',
  'agent',
  'console',
  'network',
  'shell',
  'restart',
  'shutdown',
] as const;
export type MenuChoice = (typeof MENU_CHOICES)[number];

export const RUNNING_CHOICES = ['continue', 'stop', 'shell', 'restart', 'shutdown'] as const;
export type RunningChoice = (typeof RUNNING_CHOICES)[number];

const WORDS: Record<MenuChoice | RunningChoice, string> = {
  backup: 'Back up this computer',
  agent: 'Deploy agent: wait for an image',
  console: 'Console',
  network: 'Network settings',
  shell: 'Shell',
  restart: 'Restart',
  shutdown: 'Shut down',
  continue: 'Go on',
  stop: 'Stop and choose something else',
};

export interface Chosen<Choice> {
  choice: Choice;
  /** Where it was typed; undefined after a timeout. */
  terminal: Terminal | undefined;
}

/**
 * Asks what this computer is to do.
 *
 * @param options `problems` are shown above the choices; after `timeoutMs`, if given, the answer is
 *   the deploy agent.
 */
export async function askMode(
  screen: AskingScreen,
  options: Asking & { problems: readonly string[] },
): Promise<Chosen<MenuChoice>> {
  const { timeoutMs, signal, problems } = options;
  const seconds = timeoutMs === undefined ? undefined : Math.round(timeoutMs / 1000);
  const note = seconds === undefined ? [] : [`Without an answer in ${seconds} s: ${WORDS.agent}`, ''];
  return askChoice(screen, {
    title: 'What is this computer to do?',
    lead: [...problems.map((line) => `! ${line}`), ...(problems.length > 0 ? [''] : []), ...note],
    choices: MENU_CHOICES,
    onTimeout: 'agent',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Asks what to do while a role runs on; what would end it must be confirmed. */
export async function askWhileRunning(
  screen: AskingScreen,
  options: { title: string; signal: AbortSignal },
): Promise<Chosen<RunningChoice>> {
  const chosen = await askChoice(screen, {
    title: options.title,
    lead: ['What runs goes on meanwhile.', ''],
    choices: RUNNING_CHOICES,
    onTimeout: 'continue',
    signal: options.signal,
  });
  if (chosen.choice === 'continue' || chosen.choice === 'shell') return chosen;
  const answer = await screen.ask(
    {
      title: WORDS[chosen.choice],
      lines: ['What runs now will be broken off; a half-written disk does not start.'],
      prompt: 'Type yes to do it:',
    },
    { signal: options.signal },
  );
  return answer?.text.toLowerCase() === 'yes' ? chosen : { ...chosen, choice: 'continue' };
}

async function askChoice<Choice extends MenuChoice | RunningChoice>(
  screen: AskingScreen,
  options: Asking & {
    title: string;
    lead: readonly string[];
    choices: readonly Choice[];
    onTimeout: Choice;
  },
): Promise<Chosen<Choice>> {
  const { title, lead, choices, onTimeout, ...asking } = options;
  let note = '';
  for (;;) {
    const lines = [...lead, ...choices.map((choice, i) => `${i + 1}  ${WORDS[choice]}`), '', note];
    const answer = await screen.ask({ title, lines, prompt: `Number (1-${choices.length}):` }, asking);
    if (answer === undefined) return { choice: onTimeout, terminal: undefined };
    const choice = /^[0-9]{1,2}$/.test(answer.text) ? choices[Number(answer.text) - 1] : undefined;
    if (choice !== undefined) return { choice, terminal: answer.terminal };
    note = answer.text === '' ? '' : `"${answer.text.slice(0, 40)}" is none of 1 to ${choices.length}.`;
    // Someone is there: the clock that was to act for nobody stops.
    delete asking.timeoutMs;
  }
}
