import { Form } from '../../../lib/tui/form.ts';
import { boundChoice } from './draft-fields.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

/** Page 12: what the targets do at the end. */
export function afterStep(context: WizardContext): FormStep {
  const form = new Form({
    intro: 'When the deployment and all operations of this wizard are completed, the target computers',
    fields: [
      boundChoice(context.model.draft, 'after', {
        ...{ name: 'after', label: '' },
        choices: [
          { value: 'shutdown', label: 'shut down' },
          { value: 'restart', label: 'restart' },
          { value: 'wait', label: 'do nothing', hint: 'they wait for the next deployment' },
        ],
      }),
    ],
  });
  return new FormStep(context, { step: 'after', title: 'Options after deployment', form });
}
