import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckField, ChoiceField } from '../../lib/tui/choice-field.ts';
import { Form } from '../../lib/tui/form.ts';
import { Note } from '../../lib/tui/note-field.ts';
import { PasswordField, TextField } from '../../lib/tui/text-field.ts';
import type { AfterAction } from '../../schema/after-action.ts';
import type { BackupDraft } from './backup-draft.ts';
import { type BackupContext, FormStepView } from './step-view.ts';

const NOT_APPLIED = 'not applied by this version';

/** Step 3: name and options of the image. */
export class ImageStep extends FormStepView {
  readonly step = 'image';
  readonly title = 'Image';
  protected readonly form: Form;

  constructor(context: BackupContext) {
    super(context);
    const { draft } = context;
    const isConsole = () => draft.kind === 'console';
    this.form = new Form({
      fields: [
        this.#text('name', 'Image name', {
          max: 120,
          hint: 'letters, digits, space, dot, dash and underscore',
        }),
        this.#text('comment', 'Comment', { max: 2000 }),
        this.#text('level', 'Compression level', {
          max: 2,
          columns: 4,
          hint: '1 is fastest, 19 smallest; 3 is right almost always',
        }),
        new PasswordField({
          ...{ name: 'imagePassword', label: 'Password', value: draft.imagePassword, hint: NOT_APPLIED },
          onChange: (value) => {
            draft.imagePassword = value;
          },
        }),
        this.#text('splitSize', 'Split size', { max: 20, columns: 12, hint: NOT_APPLIED }),
        new Note(`Password and split size are ${NOT_APPLIED}: leave them empty.`, {
          label: ' ',
          tone: 'muted',
        }),
        new CheckField({
          ...{ name: 'check', label: 'Check', text: 'Read the image once more when it is written' },
          value: draft.check,
          hidden: isConsole,
          onChange: (value) => {
            draft.check = value;
          },
        }),
        new Note('The console verifies every block while it arrives.', {
          ...{ label: 'Check', tone: 'muted', hidden: () => !isConsole() },
        }),
        new ChoiceField<AfterAction>({
          ...{ name: 'after', label: 'Afterwards', value: draft.after, hidden: () => !context.canPower },
          choices: [
            { value: 'wait', label: 'Show the result and ask' },
            { value: 'shutdown', label: 'Shut down' },
            { value: 'restart', label: 'Restart' },
          ],
          onChange: (value) => {
            draft.after = value;
          },
        }),
      ],
    });
  }

  async beforeNext(signal: AbortSignal): Promise<string> {
    const { draft, parts } = this.context;
    const exists =
      draft.kind === 'console'
        ? await parts.hasImage(draft.console, draft.name, signal)
        : await access(join(await this.context.openFolder(signal), `${draft.name}.sco`)).then(
            () => true,
            () => false,
          );
    return exists ? `There is an image "${draft.name}" already; choose another name` : '';
  }

  #text(
    name: 'name' | 'comment' | 'level' | 'splitSize',
    label: string,
    options: { max: number; columns?: number; hint?: string },
  ): TextField {
    const { draft } = this.context;
    const onChange = (value: string) => {
      (draft as Pick<BackupDraft, typeof name>)[name] = value.trim();
    };
    return new TextField({ ...options, name, label, value: draft[name], onChange });
  }
}
