import { describePartition } from '../../../disk/mountable-partitions.ts';
import { type Choice, ChoiceField } from '../../../lib/tui/choice-field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage } from '../../../lib/tui/form-page.ts';
import type { PageHost } from '../../../lib/tui/page.ts';
import { PasswordField, TextField } from '../../../lib/tui/text-field.ts';
import type { ConsoleApi, StoragePlace } from '../../console-api.ts';
import { WhileShown } from '../tools/while-shown.ts';

type ShareKind = Exclude<StoragePlace['kind'], 'folder'>;

const SOURCE_HINTS: Record<ShareKind, string> = {
  smb: 'e.g. //server/share or //server/share/images',
  nfs: 'e.g. server:/export/images',
  usb: 'the partition, e.g. /dev/sdb1',
};

const LOOK_INTERVAL_MS = 2000;

/** Where images are besides the console's own disk: a share with user name and password, or a USB disk. */
export class AddSharePage extends FormPage<StoragePlace> {
  readonly #shown: WhileShown;

  constructor(api: ConsoleApi) {
    const devices: Choice<string>[] = [];
    const kind = new ChoiceField<ShareKind>({
      ...{ name: 'kind', label: 'Kind', value: 'smb' },
      choices: [
        { value: 'smb', label: 'Windows share', hint: 'SMB' },
        { value: 'nfs', label: 'NFS export' },
        { value: 'usb', label: 'USB or FireWire disk' },
      ],
    });
    const source = new TextField({
      ...{ name: 'source', label: 'Share or disk' },
      check: (value) => (value.trim() === '' ? SOURCE_HINTS[kind.value] : ''),
    });
    const found = new ChoiceField<string>({
      ...{ name: 'devices', label: 'Found', value: '', choices: devices },
      hidden: () => kind.value !== 'usb' || devices.length === 0,
      onChange: (device) => {
        source.value = device;
      },
    });
    const hidden = () => kind.value !== 'smb';
    const user = new TextField({ name: 'user', label: 'User name', max: 256, hidden });
    const password = new PasswordField({ name: 'password', label: 'Password', max: 256, hidden });
    const domain = new TextField({ name: 'domain', label: 'Domain', max: 256, hidden });
    super({
      title: 'Add a share with images',
      helpTopic: 'wizard-image',
      form: new Form({ fields: [kind, found, source, user, password, domain] }),
      actions: [
        {
          key: 'F2',
          label: 'Add',
          run: async (host) => {
            if (!this.form.check()) return;
            const credentials = { user: user.value, password: password.value, domain: domain.value };
            const given = Object.entries(credentials).filter(([, text]) => !hidden() && text !== '');
            const place = { kind: kind.value, source: source.value.trim(), ...Object.fromEntries(given) };
            host.close(await api.call('storage.add', place));
          },
        },
      ],
    });
    this.#shown = new WhileShown(LOOK_INTERVAL_MS, async () => {
      if (kind.value !== 'usb') return;
      const partitions = await api.call('storage.devices', {});
      const choices = partitions.map((one) => ({
        ...{ value: one.device, label: one.device, hint: describePartition(one) },
      }));
      devices.splice(0, devices.length, ...choices);
    });
  }

  onShown(host: PageHost<StoragePlace>): void {
    this.#shown.start(host);
  }

  onHidden(): void {
    this.#shown.stop();
  }
}
