import { padText, wrapText } from '../../lib/tui/cell-text.ts';
import type { KeyPress, Line, PageKey, PageSize } from '../../lib/tui/page.ts';
import { type BackupDraft, partitionsToTake } from './backup-draft.ts';
import type { BackupContext, StepView } from './step-view.ts';

const LABEL_COLUMNS = 14;

/** Step 4: what will be done. */
export class SummaryStep implements StepView {
  readonly step = 'summary';
  readonly title = 'Summary';
  readonly #context: BackupContext;

  constructor(context: BackupContext) {
    this.#context = context;
  }

  keys(): readonly PageKey[] {
    return [{ key: 'F2', label: 'Start backup' }];
  }

  onKey(_key: KeyPress): boolean {
    return false;
  }

  render(size: PageSize): Line[] {
    const lines: Line[] = summaryRows(this.#context).flatMap(([label, value]) =>
      wrapText(value, size.columns - LABEL_COLUMNS - 4).map(
        (text, i): Line => [
          { text: `  ${padText(i === 0 ? label : '', LABEL_COLUMNS)}`, tone: 'muted' },
          { text },
        ],
      ),
    );
    return [...lines, '', '  Nothing on the disk that is backed up is changed. F2 starts.'];
  }
}

function summaryRows({ draft, canPower }: BackupContext): [label: string, value: string][] {
  const numbers = partitionsToTake(draft);
  const what = numbers.length === 0 ? 'the whole disk' : `boot area and partitions ${numbers.join(', ')}`;
  const folder = draft.folder === '' ? '' : `, folder ${draft.folder}`;
  const places: Record<BackupDraft['kind'], string> = {
    console: `console ${draft.console}`,
    disk: `${draft.device}${folder}`,
    smb: `${draft.share}${folder}${draft.user === '' ? ' (as a guest)' : ` (user ${draft.user})`}`,
    nfs: `${draft.share}${folder}`,
    folder: draft.folder,
  };
  const checks = draft.check ? 'the image is read once more' : 'not read back';
  const after = { wait: 'show the result and ask', shutdown: 'shut down', restart: 'restart' }[draft.after];
  return [
    ['Disk', `${draft.disk}, ${what}`],
    ...(draft.force ? [['Unclean', 'file systems are taken as they are'] satisfies [string, string]] : []),
    ['Destination', places[draft.kind]],
    ['Image name', draft.name],
    ...(draft.comment === '' ? [] : [['Comment', draft.comment] satisfies [string, string]]),
    ['Compression', `level ${draft.level}`],
    ['Check', draft.kind === 'console' ? 'by the console, while it arrives' : checks],
    ...(canPower ? [['Afterwards', after] satisfies [string, string]] : []),
  ];
}
