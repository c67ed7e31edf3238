import {
  describePartition,
  type MountablePartition,
  mountablePartitions,
} from '../../disk/mountable-partitions.ts';
import { formatBytes } from '../../lib/progress.ts';
import { BrowsePage } from '../../lib/tui/browse-page.ts';
import { type Choice, ChoiceField } from '../../lib/tui/choice-field.ts';
import type { AnyHost } from '../../lib/tui/field.ts';
import { Form } from '../../lib/tui/form.ts';
import { Note } from '../../lib/tui/note-field.ts';
import type { KeyPress, PageKey } from '../../lib/tui/page.ts';
import { PasswordField, TextField } from '../../lib/tui/text-field.ts';
import type { BackupDraft, DestinationKind } from './backup-draft.ts';
import { type BackupContext, FormStepView } from './step-view.ts';

const KINDS: readonly Choice<DestinationKind>[] = [
  { value: 'console', label: 'Console' },
  { value: 'disk', label: 'Another disk or USB disk of this computer' },
  { value: 'smb', label: 'Shared folder (Windows, SMB)' },
  { value: 'nfs', label: 'Shared folder (NFS)' },
  { value: 'folder', label: 'Folder of this computer' },
];

/** Step 2: where the image goes. */
export class DestinationStep extends FormStepView {
  readonly step = 'destination';
  readonly title = 'Destination';
  protected readonly form: Form;
  readonly #consoles: Choice<string>[] = [];
  readonly #devices: Choice<string>[] = [];
  readonly #consoleNote: Note;
  readonly #deviceNote: Note;
  readonly #spaceNote: Note = new Note('', { tone: 'muted', hidden: () => this.#spaceNote.text === '' });
  readonly #found: ChoiceField<string>;
  readonly #address: TextField;
  #search = new AbortController();

  constructor(context: BackupContext) {
    super(context);
    const { draft } = context;
    const unless =
      (...kinds: DestinationKind[]) =>
      () =>
        !kinds.includes(draft.kind);
    this.#consoleNote = new Note('', {
      tone: 'muted',
      hidden: () => draft.kind !== 'console' || this.#consoleNote.text === '',
    });
    this.#deviceNote = new Note('', {
      tone: 'muted',
      hidden: () => draft.kind !== 'disk' || this.#deviceNote.text === '',
    });
    this.#address = this.#text('console', 'Its address', {
      hint: 'e.g. 192.168.1.10; filled in when a console is chosen above',
      hidden: unless('console'),
    });
    this.#found = this.#list('consoles', 'Consoles found', {
      choices: this.#consoles,
      hidden: () => draft.kind !== 'console' || this.#consoles.length === 0,
      onChange: (value) => {
        this.#address.value = value;
      },
    });
    const devices = this.#list('device', 'Stored on', {
      choices: this.#devices,
      hidden: () => draft.kind !== 'disk' || this.#devices.length === 0,
      onChange: (value) => this.#changed('device', value),
    });
    const shared = { hidden: unless('smb') };
    this.form = new Form({
      fields: [
        new ChoiceField<DestinationKind>({
          ...{ name: 'kind', label: 'Store at', value: draft.kind, choices: KINDS },
          onChange: (kind) => {
            draft.kind = kind;
            this.#spaceNote.text = '';
          },
        }),
        new Note(''),
        this.#consoleNote,
        this.#found,
        this.#address,
        this.#deviceNote,
        devices,
        this.#text('share', 'Shared folder', { hint: 'e.g. //server/images/lab', hidden: unless('smb') }),
        this.#text('share', 'Shared folder', { hint: 'e.g. server:/images/lab', hidden: unless('nfs') }),
        this.#text('user', 'User', { hint: 'one who may write there; empty for a guest', ...shared }),
        this.#password(shared.hidden),
        this.#text('domain', 'Domain', { hint: 'only where the server needs one', ...shared }),
        this.#text('folder', 'Folder', {
          hint: 'empty for the uppermost one',
          hidden: unless('disk', 'smb', 'nfs', 'folder'),
          browse: (current, host) => this.#browse(current, host),
        }),
        this.#spaceNote,
      ],
    });
  }

  override keys(): readonly PageKey[] {
    return ['console', 'disk'].includes(this.context.draft.kind) ? [{ key: 'F5', label: 'Look again' }] : [];
  }

  override onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name !== 'f5') return super.onKey(key, host);
    this.#look(host);
    return true;
  }

  onShown(host: AnyHost, signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#search.abort(), { once: true });
    this.#look(host);
  }

  async beforeNext(signal: AbortSignal): Promise<string> {
    const { draft, parts } = this.context;
    if (draft.kind === 'console') return '';
    const folder = await parts.listFolder(await this.context.openFolder(signal));
    this.#spaceNote.text = `${formatBytes(folder.freeBytes)} free there`;
    return folder.writable ? '' : `Nothing can be written to "${folder.path}"; choose another folder or user`;
  }

  #look(host: AnyHost): void {
    this.#search.abort();
    this.#search = new AbortController();
    void this.#lookForConsoles(host, this.#search.signal);
    void this.#lookForDevices(host);
  }

  async #lookForConsoles(host: AnyHost, signal: AbortSignal): Promise<void> {
    const { draft, parts } = this.context;
    this.#consoleNote.text = 'Looking for consoles on this network …';
    try {
      const found = await parts.consoles(signal);
      const choices = found.map(({ name, address, controlPort }) => ({
        value: `${address}:${controlPort}`,
        label: name,
        hint: `${address}`,
      }));
      this.#consoles.splice(0, this.#consoles.length, ...choices);
      this.#consoleNote.text =
        choices.length > 0
          ? ''
          : 'No console answered on this network: start one, or give its address (F5 looks again).';
      if (choices.length === 1 && draft.console === '') this.#address.value = choices[0]!.value;
      this.#found.value = draft.console;
    } catch (error) {
      if (signal.aborted) return;
      this.#consoleNote.text = error instanceof Error ? error.message : String(error);
    }
    host.refresh();
  }

  async #lookForDevices(host: AnyHost): Promise<void> {
    this.#deviceNote.text = 'Looking for disks …';
    const found: Choice<string>[] = [];
    const { draft, parts } = this.context;
    try {
      for (const disk of await parts.disks()) {
        if (disk.name === draft.disk || disk.readOnly) continue;
        const contents = await parts.contents(disk).catch(() => undefined);
        if (contents !== undefined)
          found.push(...mountablePartitions(disk, contents.layout).map(deviceChoice));
      }
      this.#deviceNote.text =
        found.length > 0 ? '' : 'No other disk with a usable file system: plug one in and press F5.';
    } catch (error) {
      this.#deviceNote.text = error instanceof Error ? error.message : String(error);
    }
    this.#devices.splice(0, this.#devices.length, ...found);
    host.refresh();
  }

  async #browse(current: string, host: AnyHost): Promise<string | undefined> {
    const { draft, parts } = this.context;
    const isFolder = draft.kind === 'folder';
    const typed = draft.folder;
    // The mount is browsed from its top, whatever stands in the field.
    if (!isFolder) draft.folder = '';
    const top = isFolder
      ? '/'
      : await this.context.openFolder(host.signal).finally(() => {
          draft.folder = typed;
        });
    const chosen = await host.open(
      new BrowsePage({
        title: 'Folder for the image',
        helpTopic: 'backup.destination',
        path: isFolder ? current || '/' : top,
        choose: 'folder',
        list: async (path) => {
          const folder = await parts.listFolder(path);
          // Above the mount are the folders of this computer's memory.
          const { parent: _, ...rest } = folder;
          return isFolder || folder.path !== top ? folder : rest;
        },
      }),
    );
    if (chosen === undefined) return undefined;
    return isFolder ? chosen : chosen.slice(top.length).replace(/^\//, '');
  }

  #changed<Key extends keyof BackupDraft>(key: Key, value: BackupDraft[Key]): void {
    this.context.draft[key] = value;
    this.#spaceNote.text = '';
  }

  #text(
    name: 'console' | 'share' | 'user' | 'domain' | 'folder',
    label: string,
    options: Pick<ConstructorParameters<typeof TextField>[0], 'hint' | 'hidden' | 'browse'>,
  ): TextField {
    const onChange = (value: string) => this.#changed(name, value.trim());
    return new TextField({ ...options, name, label, value: this.context.draft[name], onChange });
  }

  #password(hidden: () => boolean): PasswordField {
    const onChange = (value: string) => this.#changed('password', value);
    const { password: value } = this.context.draft;
    return new PasswordField({ name: 'password', label: 'Password', hidden, value, onChange });
  }

  #list(
    name: string,
    label: string,
    options: Pick<ConstructorParameters<typeof ChoiceField<string>>[0], 'choices' | 'hidden' | 'onChange'>,
  ): ChoiceField<string> {
    const value = name === 'device' ? this.context.draft.device : this.context.draft.console;
    return new ChoiceField<string>({ ...options, name, label, value });
  }
}

function deviceChoice(partition: MountablePartition): Choice<string> {
  const { device } = partition;
  return { value: device, label: device.slice('/dev/'.length), hint: describePartition(partition) };
}
