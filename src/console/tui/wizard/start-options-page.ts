import { CheckField, ChoiceField } from '../../../lib/tui/choice-field.ts';
import type { Field } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import type { TargetsDraft } from './wizard-draft.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

/** Which computers, when it starts, and who may come later: the second part of the wizard's first page. */
export class StartOptionsPage implements Page {
  readonly title = 'Start options';
  readonly helpTopic = 'wizard-start-options';
  readonly #step: FormStep;

  constructor(context: WizardContext) {
    const form = new Form({ fields: optionFields(context.model.draft.targets) });
    this.#step = new FormStep(context, { step: 'targets', title: this.title, form });
  }

  render(size: PageSize): Line[] {
    return ['', ...this.#step.render({ columns: size.columns, rows: size.rows - 1 })];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const place = this.#step.cursor({ columns: size.columns, rows: size.rows - 1 });
    return place === undefined ? undefined : { row: place.row + 1, column: place.column };
  }

  keys(): readonly PageKey[] {
    return [{ key: 'Esc', label: 'Back to the list' }];
  }

  onKey(key: KeyPress, host: PageHost): void {
    if (this.#step.onKey(key, host)) return;
    if (key.name === 'escape' || key.name === 'enter') host.close();
  }
}

function optionFields(targets: TargetsDraft): Field[] {
  const number = (
    field: 'waitFor' | 'waitMinutes' | 'rateMbit',
    options: { name: string; label: string; hint: string },
  ) =>
    new TextField({
      ...{ ...options, value: targets[field], columns: 8, max: 8 },
      onChange: (value) => {
        targets[field] = value;
      },
    });
  const check = (
    field: 'wake' | 'joinLate' | 'allOrNothing',
    options: { label: string; text: string; hint?: string },
  ) =>
    new CheckField({
      ...{ ...options, name: '', value: targets[field] },
      onChange: (value) => {
        targets[field] = value;
      },
    });
  return [
    new ChoiceField({
      ...{ name: '', label: 'Deploy to', value: targets.mode },
      choices: [
        { value: 'chosen', label: 'the chosen computers' },
        { value: 'connected', label: 'all computers that are connected at the start' },
      ],
      onChange: (value) => {
        targets.mode = value;
      },
    }),
    number('waitFor', {
      name: 'run.waitFor',
      label: 'Wait for',
      hint: 'so many computers; 0 starts with those that are there',
    }),
    number('waitMinutes', {
      name: 'run.waitSeconds',
      label: 'Wait at most',
      hint: 'minutes; then it starts with those that are there',
    }),
    check('wake', { label: 'Wake them', text: 'send wake-on-LAN packets to the chosen computers first' }),
    check('joinLate', {
      ...{ label: 'Later ones', text: 'computers that connect while it runs join it' },
      hint: 'not when chosen computers are deployed',
    }),
    check('allOrNothing', {
      label: 'All or nothing',
      text: 'one that cannot be deployed stops all of them',
    }),
    number('rateMbit', {
      name: 'run.rateMbit',
      label: 'Rate at most',
      hint: 'Mbit/s of the multicast; 0 finds the best by itself',
    }),
  ];
}
