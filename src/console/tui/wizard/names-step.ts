import { Form } from '../../../lib/tui/form.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import { expandNamePattern } from '../../../schema/template.ts';
import { boundChoice, boundText } from './draft-fields.ts';
import { secretField } from './secret-field.ts';
import { tableFields } from './table-fields.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

/** Page 6: what the targets are called and which domain or workgroup they belong to. */
export function namesStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const { names, membership } = draft;
  const isPattern = () => names.kind === 'pattern';
  const isDomain = () => membership.kind === 'domain';
  const preview = new Note('', { label: 'Preview', tone: 'heading', hidden: () => !isPattern() });
  const table = tableFields(context, { hidden: () => names.kind !== 'table' });
  const form = new Form({
    fields: [
      boundChoice(names, 'kind', {
        ...{ name: 'computerNames.kind', label: 'Computer names' },
        choices: [
          { value: 'keep', label: 'as on the master system' },
          { value: 'pattern', label: 'by a pattern' },
          { value: 'table', label: 'from a table by MAC address' },
        ],
      }),
      boundText(names, 'pattern', {
        ...{ name: 'computerNames.pattern', label: 'Pattern', columns: 30, hidden: () => !isPattern() },
        hint: '{n} counts, {n:03} as 001, {mac} and {serial} of the computer',
      }),
      boundText(names, 'first', {
        ...{ name: 'computerNames.first', label: 'First number', columns: 7, hidden: () => !isPattern() },
      }),
      preview,
      ...table.fields,
      new Note(''),
      boundChoice(membership, 'kind', {
        ...{ name: 'membership.kind', label: 'Member of' },
        choices: [
          { value: 'keep', label: 'as the master system' },
          { value: 'workgroup', label: 'a workgroup' },
          { value: 'domain', label: 'a domain' },
        ],
      }),
      boundText(membership, 'workgroup', {
        ...{ name: 'membership.name', label: 'Workgroup', columns: 16 },
        hidden: () => membership.kind !== 'workgroup',
      }),
      boundText(membership, 'domain', {
        ...{ name: 'membership.name', label: 'Domain', hint: 'e.g. lab.example.org' },
        hidden: () => !isDomain(),
      }),
      boundText(membership, 'user', {
        ...{ name: 'membership.user', label: 'Domain administrator', hidden: () => !isDomain() },
        hint: 'user name of one who may join computers',
      }),
      secretField({
        ...{ name: 'membership.password', label: 'Password', secret: membership.password },
        hidden: () => !isDomain(),
        onChange: (secret) => {
          membership.password = secret;
        },
      }),
      boundText(membership, 'ou', {
        ...{ name: 'membership.ou', label: 'Organisational unit', hidden: () => !isDomain() },
        hint: 'e.g. OU=Lab,DC=example,DC=org; empty: the default one',
      }),
    ],
  });
  return new FormStep(context, {
    ...{ step: 'names', title: 'Computer names and domain/workgroup', optional: true, form },
    refresh: () => {
      table.follow();
      preview.text = namesPreview(context);
    },
  });
}

/** What the first and the last of the chosen computers would be called. */
export function namesPreview({ computers, model }: WizardContext): string {
  const { names, targets } = model.draft;
  const all = targets.mode === 'connected';
  const ids = all ? computers.map((one) => one.computerId) : [...targets.chosen.keys()];
  const first = Number(names.first);
  if (model.problemAt('computerNames') !== undefined || !Number.isInteger(first)) return '-';
  const nameOf = (at: number) => {
    const computer = computers.find((one) => one.computerId === ids[at]);
    const { macs = [], serial = '' } = computer ?? {};
    return expandNamePattern(names.pattern.trim(), { number: first + at, mac: macs[0] ?? '(mac)', serial });
  };
  return ids.length < 2 ? nameOf(0) : `${nameOf(0)} to ${nameOf(ids.length - 1)}`;
}
