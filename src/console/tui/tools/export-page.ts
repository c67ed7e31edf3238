import { formatBytes } from '../../../lib/progress.ts';
import { wrapText } from '../../../lib/tui/cell-text.ts';
import { ChoiceField } from '../../../lib/tui/choice-field.ts';
import type { Field } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage } from '../../../lib/tui/form-page.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import type { Line, PageHost } from '../../../lib/tui/page.ts';
import { TaskPage } from '../../../lib/tui/task-page.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import type { ExportKind } from '../../../media/export.ts';
import { parseHostPort } from '../../../schema/boot-params.ts';
import type { ConsoleApi, ExportParams } from '../../console-api.ts';
import { pathField } from './path-field.ts';

type Mode = NonNullable<ExportParams['mode']>;

interface KindWords {
  title: string;
  intro: string;
  /** What the new file or folder is called at first. */
  name: string;
  mode: Mode;
  next: string;
}

const BURN = 'Burn it to a CD or DVD, or copy it onto a USB stick as it is (Rufus: DD mode).';

const WORDS: Record<ExportKind, KindWords> = {
  'backup-iso': {
    title: 'Export Backup Agent',
    intro: 'Makes an ISO. The master computer is started from it, and its image is taken.',
    ...{ name: 'backup-agent.iso', mode: 'backup', next: BURN },
  },
  pxe: {
    title: 'Export PXE Files',
    intro:
      'Writes the files a PXE server offers, so that computers start from the network without any medium.',
    ...{ name: 'PXE', mode: 'agent' },
    next: 'Make this folder the root of the TFTP server. "PXE server" under Tools has the settings to copy.',
  },
  'agent-iso': {
    title: 'Export client Agent',
    intro: 'Makes an ISO. Target computers are started from it, and images are deployed to them.',
    ...{ name: 'client-agent.iso', mode: 'agent', next: BURN },
  },
  'console-iso': {
    title: 'Export console',
    intro: 'Makes an ISO from which a computer starts as a console.',
    ...{ name: 'console.iso', mode: 'console', next: BURN },
  },
  usb: {
    title: 'Image of a USB stick',
    intro: 'Makes the image of a USB stick as a file.',
    ...{ name: 'stick.img', mode: 'menu' },
    next: 'Copy it onto a stick as it is, e.g. with Rufus in DD mode.',
  },
};

/** Where boot media go and how they start. */
export class ExportPage extends FormPage {
  constructor(api: ConsoleApi, options: { kind: ExportKind; folder: string }) {
    const { kind } = options;
    const words = WORDS[kind];
    const dest = pathField(api, {
      ...{ name: 'dest', label: kind === 'pxe' ? 'New folder' : 'New file', helpTopic: 'export' },
      ...{ value: `${options.folder.replace(/\/$/, '')}/${words.name}`, choose: 'new-file' as const },
      hint: 'On the computer of the console. It must not exist yet.',
    });
    const start = startFields(kind);
    super({
      title: words.title,
      helpTopic: 'export',
      form: new Form({ intro: words.intro, fields: [dest, new Note(''), ...start.fields] }),
      actions: [
        {
          key: 'F2',
          label: 'Export',
          run: async (host) => {
            if (!this.form.check()) return;
            const params: ExportParams = { kind, dest: dest.value, ...start.params() };
            if (await runExport(api, { params, next: words.next, host })) host.close();
          },
        },
      ],
    });
  }
}

/** What the boot menu of the media does, for files and sticks alike. */
export function startFields(kind: ExportKind): {
  fields: Field[];
  params: () => Pick<ExportParams, 'console' | 'mode' | 'timeoutSeconds' | 'serverAddress'>;
} {
  const address = new TextField({
    ...{ name: 'console', label: 'Console address', max: 256, columns: 30 },
    hint: 'Empty: computers find this console by themselves in their network.',
    check: (value) => (value === '' || parseHostPort(value) !== undefined ? '' : 'write HOST or HOST:PORT'),
  });
  const server = new TextField({
    ...{ name: 'server', label: 'TFTP server address', max: 15, columns: 15 },
    hint: 'Only where another machine is the DHCP server.',
    hidden: () => kind !== 'pxe',
    check: (value) =>
      value === '' || /^\d+(\.\d+){3}$/.test(value) ? '' : 'an IPv4 address such as 10.0.0.5',
  });
  const mode = new ChoiceField<Mode>({
    ...{ name: 'mode', label: 'Starts by itself', value: WORDS[kind].mode },
    hidden: () => kind !== 'pxe' && kind !== 'usb',
    choices: [
      { value: 'agent', label: 'Deploy agent' },
      { value: 'backup', label: 'Backup agent' },
      { value: 'console', label: 'Console' },
      { value: 'menu', label: 'A menu on the screen' },
    ],
  });
  const seconds = new TextField({
    ...{ name: 'timeout', label: 'After seconds', value: '10', max: 4, columns: 5 },
    hint: 'Empty: the boot menu waits for a key.',
    check: (value) =>
      value === '' || (/^\d+$/.test(value) && Number(value) <= 3600) ? '' : '0 to 3600, or empty',
  });
  return {
    fields: [mode, seconds, address, server],
    params: () => ({
      mode: mode.value,
      timeoutSeconds: seconds.value === '' ? null : Number(seconds.value),
      ...(address.value === '' ? {} : { console: address.value }),
      ...(server.value === '' ? {} : { serverAddress: server.value }),
    }),
  };
}

/** Exports with progress; true when it is done. */
export async function runExport(
  api: ConsoleApi,
  options: { params: ExportParams; next: string; host: PageHost },
): Promise<boolean> {
  const { params, next, host } = options;
  const isStick = params.dest.startsWith('/dev/');
  const done = await host.open(
    new TaskPage<number>({
      ...{ title: 'Writing', helpTopic: 'export', text: `Writing ${params.dest}` },
      cancelText: isStick
        ? 'Stop writing the stick? It is empty then and has to be written again.'
        : 'Stop the export? Nothing is left of it.',
      run: async (update, signal) => {
        const onEvent = (event: { step: string; doneBytes: number; totalBytes: number }) => update(event);
        const result = await api.call('export', params, { onEvent, signal });
        return result.sizeBytes;
      },
      result: (sizeBytes) => doneLines(`Done: ${formatBytes(sizeBytes)} in ${params.dest}`, next),
    }),
  );
  return done !== undefined;
}

function doneLines(done: string, next: string): Line[] {
  const indented = (text: string, tone: 'good' | 'plain'): Line[] =>
    wrapText(text, 76).map((line) => [{ text: `  ${line}`, tone }]);
  return [
    ...indented(done, 'good'),
    '',
    ...indented(next, 'plain'),
    '',
    ...indented(
      'Whoever has it can talk to this console as an agent: keep it as you would keep a key.',
      'plain',
    ),
  ];
}
