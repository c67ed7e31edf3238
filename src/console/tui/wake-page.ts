import type { AnyHost } from '../../lib/tui/field.ts';
import { Form } from '../../lib/tui/form.ts';
import { FormPage } from '../../lib/tui/form-page.ts';
import type { PageHost } from '../../lib/tui/page.ts';
import { TextField } from '../../lib/tui/text-field.ts';
import { computerLabel } from '../computers.ts';
import type { ConsoleApi } from '../console-api.ts';
import { KnownComputersPage } from './known-computers-page.ts';

const TITLE = 'Wake computers';
const NAMES_MAX = 20;

/** Wakes computers that are switched off: those the console knows, or any by their MAC addresses. */
export async function wakePage(api: ConsoleApi, host: AnyHost): Promise<void> {
  const chosen = await host.open(
    new KnownComputersPage({
      ...{ title: TITLE, helpTopic: 'wake', action: 'Wake', other: { key: 'F4', label: 'By MAC' } },
      computers: await api.call('computers.known', {}),
    }),
  );
  if (chosen === undefined) return;
  const names = chosen === 'other' ? undefined : chosen.map((one) => one.computerId);
  const woken =
    names === undefined ? await wakeByName(api, host) : (await api.call('wake', { computers: names })).woken;
  if (woken !== undefined) await host.message(TITLE, sentText(woken));
}

async function wakeByName(api: ConsoleApi, host: AnyHost): Promise<string[] | undefined> {
  const computers = new TextField({
    ...{ name: 'computers', label: 'Computers' },
    hint: 'MAC addresses with commas between them',
    check: (value) => (namesIn(value).length > 0 ? '' : 'give at least one'),
  });
  const form = new Form({
    intro:
      'Sends wake-on-LAN packets to computers this console need not know. Their firmware has to allow it.',
    fields: [computers],
  });
  const run = async (formHost: PageHost<string[]>) => {
    if (!form.check()) return;
    formHost.close((await api.call('wake', { computers: namesIn(computers.value) })).woken);
  };
  const actions = [{ key: 'F2', label: 'Wake', run }];
  return await host.open(new FormPage<string[]>({ title: TITLE, helpTopic: 'wake', form, actions }));
}

function sentText(woken: readonly string[]): string {
  if (woken.length === 0) return 'Nothing was sent.';
  const more = woken.length - NAMES_MAX;
  const names = woken.slice(0, NAMES_MAX).map(computerLabel).join(', ');
  return `Packets were sent to ${names}${more > 0 ? ` and ${more} more` : ''}.`;
}

function namesIn(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
