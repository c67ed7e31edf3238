import { afterEach } from 'vitest';
import type { Template } from '../../../../schema/template.ts';
import type { FakeConsole } from '../../testdata/fake-console.ts';
import { wizardPage } from '../open-wizard.ts';
import type { WizardEnd } from '../wizard-page.ts';
import { PageDriver } from './page-driver.ts';
import { wizardConsole } from './wizard-console.ts';

export let driver: PageDriver<WizardEnd>;

afterEach(() => driver.leave());

/** Opens the wizard; {@link driver} presses its keys until the test ends. */
export async function start(
  console: FakeConsole = wizardConsole(),
  template?: Template,
): Promise<PageDriver<WizardEnd>> {
  driver = new PageDriver(wizardPage(console, template));
  await driver.settle();
  return driver;
}

export function called(console: FakeConsole, name: string): object[] {
  return console.calls.filter((call) => call.name === name).map(({ params }) => params);
}

/** Two computers, the image "office", and on to the page of that number. */
export async function reach(
  page: number,
  console: FakeConsole = wizardConsole(),
): Promise<PageDriver<WizardEnd>> {
  await start(console);
  await driver.press('space', 'space', 'f8');
  if (page > 2) await driver.press('down', 'down', 'space', 'f8');
  for (let at = 3; at < page; at += 1) await driver.press('f8');
  return driver;
}
