import { errorLine } from '../lib/errors.ts';
import { padText, problemLines, wrapText } from '../lib/tui/cell-text.ts';
import { Form } from '../lib/tui/form.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../lib/tui/page.ts';
import { PasswordField, TextField } from '../lib/tui/text-field.ts';
import { confirmationOf, isConfirmed, type OfferEnd, type OfferedDisk, offerRows } from './offered-disk.ts';

const LABEL_COLUMNS = 12;

/** One offered deployment: the disk it overwrites is confirmed by typing its size. */
export class OfferPage implements Page<OfferEnd> {
  readonly title: string;
  readonly helpTopic = 'preos.offer';
  readonly #offered: OfferedDisk;
  readonly #size: TextField;
  readonly #pin: PasswordField;
  readonly #form: Form;
  #problem = '';
  #isAsking = false;

  constructor(offered: OfferedDisk) {
    const { offer, disk } = offered;
    this.title = `Deploy "${offer.name}"`;
    this.#offered = offered;
    this.#size = new TextField({
      name: 'size',
      label: "Disk's size",
      columns: 16,
      max: 20,
      hint: `type ${confirmationOf(disk)} to confirm the disk`,
    });
    this.#pin = new PasswordField({
      name: 'pin',
      label: 'PIN',
      columns: 16,
      max: 64,
      hint: 'the administrator of the console knows it',
      hidden: () => !offer.needsPin,
    });
    this.#form = new Form({ fields: [this.#size, this.#pin] });
  }

  keys(): readonly PageKey[] {
    return this.#isAsking
      ? []
      : [
          { key: 'F2', label: 'Deploy' },
          { key: 'Esc', label: 'Leave' },
        ];
  }

  onKey(key: KeyPress, host: PageHost<OfferEnd>): void {
    if (this.#isAsking) return;
    if (key.name === 'escape') host.close('left');
    else if (key.name === 'f2') void this.#start(host);
    else if (!this.#form.onKey(key, host) && key.name === 'enter') void this.#start(host);
  }

  render(size: PageSize): Line[] {
    return [
      ...this.#head(size),
      ...this.#form.render({ columns: size.columns, rows: 6 }),
      ...this.#foot(size),
    ];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const place = this.#form.cursor({ columns: size.columns, rows: 6 });
    return place === undefined
      ? undefined
      : { row: place.row + this.#head(size).length, column: place.column };
  }

  #head(size: PageSize): Line[] {
    const rows = offerRows(this.#offered).flatMap(([label, value]) =>
      wrapText(value, size.columns - LABEL_COLUMNS - 4).map(
        (text, i): Line => [
          { text: `  ${padText(i === 0 ? label : '', LABEL_COLUMNS)}`, tone: 'muted' },
          { text },
        ],
      ),
    );
    const warnings = this.#offered.warnings.flatMap((warning) =>
      wrapText(`! ${warning}`, size.columns - 4).map(
        (text): Line => [{ text: `  ${text}`, tone: 'warning' }],
      ),
    );
    const overwritten = `Everything on ${this.#offered.disk.name} is overwritten.`;
    return ['', ...rows, ...warnings, '', [{ text: `  ${overwritten}`, tone: 'bad' }], ''];
  }

  #foot(size: PageSize): Line[] {
    if (this.#isAsking) return ['', [{ text: '  The console is asked …', tone: 'muted' }]];
    if (this.#problem === '') return [];
    return ['', ...problemLines(this.#problem, size.columns)];
  }

  async #start(host: PageHost<OfferEnd>): Promise<void> {
    const { disk, offer } = this.#offered;
    this.#problem = '';
    if (!isConfirmed(disk, this.#size.value)) {
      this.#size.problem = `type ${confirmationOf(disk)}, the size of the disk that is overwritten`;
      this.#form.focus('size');
      return;
    }
    if (offer.needsPin && this.#pin.value === '') {
      this.#pin.problem = 'the console asks for a PIN';
      this.#form.focus('pin');
      return;
    }
    this.#isAsking = true;
    host.refresh();
    try {
      await this.#offered.start(this.#pin.value);
      host.close('started');
    } catch (error) {
      this.#problem = errorLine(error);
      this.#pin.value = '';
    }
    this.#isAsking = false;
    host.refresh();
  }
}
