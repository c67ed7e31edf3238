import { CheckField, ChoiceField } from '../../../lib/tui/choice-field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage } from '../../../lib/tui/form-page.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import type { PageHost } from '../../../lib/tui/page.ts';
import { NumberField, PasswordField, TextField } from '../../../lib/tui/text-field.ts';
import type { ConsoleApi, ConsoleCalls, ConsoleSettings } from '../../console-api.ts';
import type { ConsoleStatus } from '../../console-status.ts';
import { pathField } from './path-field.ts';

type Change = ConsoleCalls['settings.change']['params'];

interface SettingsForm {
  title: string;
  helpTopic: string;
  form: Form;
  change: () => Change;
  /** Said when it is saved. */
  saved: (settings: ConsoleSettings) => string;
}

/** A form of settings with F2 Save. */
function settingsPage(api: ConsoleApi, options: SettingsForm): FormPage {
  const { title, helpTopic, form } = options;
  const run = async (host: PageHost) => {
    if (!form.check()) return;
    const settings = await api.call('settings.change', options.change());
    await host.message('Saved', options.saved(settings));
    host.close();
  };
  return new FormPage({ title, helpTopic, form, actions: [{ key: 'F2', label: 'Save', run }] });
}

export function templatePathPage(api: ConsoleApi, settings: ConsoleSettings): FormPage {
  const helpTopic = 'template-path';
  const path = pathField(api, {
    ...{ name: 'templatesDir', label: 'Folder', value: settings.templatesDir, choose: 'folder', helpTopic },
  });
  return settingsPage(api, {
    ...{ title: 'Set template path', helpTopic },
    form: new Form({ intro: 'All saved templates are in this folder.', fields: [path] }),
    change: () => ({ templatesDir: path.value }),
    saved: ({ templatesDir }) =>
      `Templates are read from and saved in ${templatesDir}. Templates in the folder used so far are not moved.`,
  });
}

export function webPage(
  api: ConsoleApi,
  { settings, status }: { settings: ConsoleSettings; status: ConsoleStatus },
): FormPage {
  const { web } = settings;
  const enabled = new CheckField({
    ...{ name: 'web.enabled', label: 'Web page', value: web.enabled, text: 'Serve it' },
  });
  const port = new NumberField({
    ...{ name: 'web.port', label: 'TCP port', value: web.port, min: 1, max: 65_535 },
  });
  const password = new PasswordField({
    ...{ name: 'web.password', label: 'New password', max: 256, columns: 30 },
    hint: web.passwordSet ? 'Empty: the password stays.' : 'Empty: nobody can sign in; the page only shows.',
    check: (value) => (value === '' || value.length >= 8 ? '' : 'at least 8 characters'),
  });
  const remove = new CheckField({
    ...{ name: 'remove', label: '', text: 'Take the password away', hidden: () => !web.passwordSet },
  });
  return settingsPage(api, {
    ...{ title: 'Web page', helpTopic: 'web-page' },
    form: new Form({
      intro: 'Shows the computers and the running job in a browser. Off by default.',
      fields: [enabled, port, password, remove],
    }),
    change: () => {
      const page = { enabled: enabled.value, port: port.value };
      if (remove.value) return { web: { ...page, password: '' } };
      return { web: password.value === '' ? page : { ...page, password: password.value } };
    },
    saved: ({ web: now }) =>
      now.enabled ? `The page is at https://${status.address}:${now.port}/` : 'The page is not served.',
  });
}

export function pinPage(api: ConsoleApi, settings: ConsoleSettings): FormPage {
  const pin = new PasswordField({
    ...{ name: 'customPin', label: 'New PIN', max: 12, columns: 12 },
    hint: settings.pinSet === true ? 'Empty takes the PIN away.' : 'Empty asks for none.',
    check: (value) => (value === '' || /^[0-9]{4,12}$/.test(value) ? '' : '4 to 12 digits'),
  });
  return settingsPage(api, {
    ...{ title: 'PIN at targets', helpTopic: 'pin' },
    form: new Form({
      intro: 'People at waiting computers type it before they start a template that is offered there.',
      fields: [new Note(settings.pinSet === true ? 'set' : 'none', { label: 'Now' }), pin],
    }),
    change: () => ({ customPin: pin.value }),
    saved: ({ pinSet }) => (pinSet === true ? 'The PIN is set.' : 'No PIN is asked for.'),
  });
}

type AddressKind = 'system' | 'dhcp' | 'static';

export function networkPage(
  api: ConsoleApi,
  { settings, status }: { settings: ConsoleSettings; status: ConsoleStatus },
): FormPage {
  const { address, interfaces = [], canSetAddress = false } = settings;
  const card = new ChoiceField<string>({
    ...{ name: 'interface', label: 'Network card', value: settings.interface },
    choices: [
      { value: '', label: 'Choose by itself', hint: 'the one with a default route' },
      ...interfaces.map((one) => ({ value: one.name, label: one.name, hint: one.address })),
    ],
  });
  const kind = new ChoiceField<AddressKind>({
    ...{
      name: 'kind',
      label: 'Address',
      value: address === '' ? 'system' : address === 'dhcp' ? 'dhcp' : 'static',
    },
    hidden: () => !canSetAddress,
    choices: [
      { value: 'system', label: 'As it was started' },
      { value: 'dhcp', label: 'From a DHCP server' },
      { value: 'static', label: 'Static' },
    ],
  });
  const fixed = new TextField({
    ...{ name: 'address', label: 'Static address', value: kind.value === 'static' ? address : '', max: 200 },
    hint: 'ADDRESS/LENGTH,GATEWAY,DNS, e.g. 10.0.0.5/24,10.0.0.1,10.0.0.2',
    hidden: () => !canSetAddress || kind.value !== 'static',
    check: (value) => (/^\d+(\.\d+){3}\/\d{1,2}(,|$)/.test(value) ? '' : 'e.g. 10.0.0.5/24,10.0.0.1'),
  });
  const note = canSetAddress
    ? 'The console starts again to use what is changed here; not while a job runs.'
    : "The address is set where this computer's own network is set up. A new card is used from the next start of the console.";
  const addresses: Record<AddressKind, () => string> = {
    ...{ system: () => '', dhcp: () => 'dhcp', static: () => fixed.value },
  };
  return settingsPage(api, {
    ...{ title: 'Network of this console', helpTopic: 'console-network' },
    form: new Form({
      fields: [
        new Note(`${status.address} on ${status.interface}`, { label: 'Now' }),
        ...[card, kind, fixed, new Note(''), new Note(note, { tone: 'muted' })],
      ],
    }),
    change: () => ({
      interface: card.value,
      ...(canSetAddress ? { address: addresses[kind.value]() } : {}),
    }),
    saved: ({ interface: name }) =>
      canSetAddress
        ? 'The console starts again where card or address were changed.'
        : `From its next start the console uses ${name === '' ? 'the card with a default route' : name}.`,
  });
}
