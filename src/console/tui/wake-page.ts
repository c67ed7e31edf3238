import type { AnyHost } from '../../lib/tui/field.ts';
import { Form } from '../../lib/tui/form.ts';
import { FormPage } from '../../lib/tui/form-page.ts';
import type { PageHost } from '../../lib/tui/page.ts';
import { TextField } from '../../lib/tui/text-field.ts';
import type { ConsoleApi } from '../console-api.ts';

/** Asks for computers that are switched off and wakes them. */
export async function wakePage(api: ConsoleApi, host: AnyHost): Promise<void> {
  const computers = new TextField({
    ...{ name: 'computers', label: 'Computers' },
    hint: 'Names or MAC addresses with commas between them',
    check: (value) => (namesIn(value).length > 0 ? '' : 'give at least one'),
  });
  const form = new Form({
    intro:
      'Sends wake-on-LAN packets to computers this console has seen before. Their firmware has to allow it.',
    fields: [computers],
  });
  const run = async (formHost: PageHost<string[]>) => {
    if (!form.check()) return;
    const { woken } = await api.call('wake', { computers: namesIn(computers.value) });
    formHost.close(woken);
  };
  const actions = [{ key: 'F2', label: 'Wake', run }];
  const woken = await host.open(
    new FormPage<string[]>({ title: 'Wake computers', helpTopic: 'wake', form, actions }),
  );
  if (woken === undefined) return;
  const text = woken.length === 0 ? 'Nothing was sent.' : `Packets were sent to ${woken.join(', ')}.`;
  await host.message('Wake computers', text);
}

function namesIn(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
