import type { Logger } from '../../lib/log.ts';
import type { HelpTexts } from '../../lib/tui/page.ts';
import { runTui, type TuiInput, type TuiOutput } from '../../lib/tui/run-tui.ts';
import type { ConsoleApi } from '../console-api.ts';
import { MAIN_HELP } from './main-help.ts';
import { MainPage } from './main-page.ts';
import type { MenuEntry } from './menu-list.ts';
import { openTemplateDeployment } from './template-deployment.ts';
import { TOOLS_HELP } from './tools/tools-help.ts';
import { toolEntries } from './tools/tools-menu.ts';
import { openWizard } from './wizard/open-wizard.ts';
import { WIZARD_HELP } from './wizard/wizard-help.ts';

export interface ConsoleTuiOptions {
  api: ConsoleApi;
  input: TuiInput;
  output: TuiOutput;
  /** As in the environment's TERM. */
  term: string;
  signal: AbortSignal;
  logger: Logger;
  /** Said when the program crashes. */
  logPath?: string;
  /** Asked before the screens are left; default says that the console goes on. */
  leaveText?: string;
}

/**
 * Shows a console's pages on a terminal until the person leaves them.
 *
 * @returns whether the person left; false when the terminal hung up or the signal aborted.
 */
export async function runConsoleTui(options: ConsoleTuiOptions): Promise<boolean> {
  const { api, leaveText = 'Leave these screens? The console itself goes on.', ...terminal } = options;
  const status = await api.call('status', {});
  const page = new MainPage({
    ...{ api, status, leaveText },
    operations: operationEntries(api),
    tools: toolEntries(api),
  });
  return (
    (await runTui({ ...terminal, title: `TotalDeploy · ${status.name}`, firstPage: page, help: HELP })) ===
    true
  );
}

const HELP: HelpTexts = { ...MAIN_HELP, ...WIZARD_HELP, ...TOOLS_HELP };

function operationEntries(api: ConsoleApi): MenuEntry[] {
  return [
    {
      label: 'Deployment solution',
      hint: 'Choose image, disks and settings page by page',
      open: (host) => openWizard(host, api),
    },
    {
      label: 'Template deployment',
      hint: 'Deploy a saved template to the connected computers',
      open: (host) => openTemplateDeployment(host, api),
    },
  ];
}
