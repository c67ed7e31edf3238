import { Form } from '../../../lib/tui/form.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import { boundChoice } from './draft-fields.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

/** Page 8: a new security identifier for each target unless the administrator knows better. */
export function sidStep(context: WizardContext): FormStep {
  const form = new Form({
    fields: [
      boundChoice(context.model.draft, 'sid', {
        ...{ name: 'sid', label: 'Security identifiers' },
        choices: [
          { value: 'new', label: 'generate a unique SID for each target', hint: 'recommended' },
          { value: 'keep', label: 'keep the SID of the master system' },
        ],
      }),
      new Note(''),
      new Note('Keep the SID only when', { tone: 'muted' }),
      new Note('- no other computer of the same workgroup or domain has it, or', { tone: 'muted' }),
      new Note('- the image goes back to the computer that it was taken from.', { tone: 'muted' }),
    ],
  });
  return new FormStep(context, { step: 'sid', title: 'Security identifiers', form });
}
