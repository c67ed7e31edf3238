import { ChoiceField } from '../../../lib/tui/choice-field.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { ListField } from '../../../lib/tui/list-field.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import { PasswordField, TextField } from '../../../lib/tui/text-field.ts';
import { type UserAccount, userAccountSchema } from '../../../schema/template.ts';
import { checkedBy, EditPage } from './edit-page.ts';
import { secretField } from './secret-field.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

const GROUP_LABELS: Record<UserAccount['group'], string> = {
  administrators: 'Administrators',
  'power-users': 'Power Users',
  users: 'Users',
};

/** Page 5: local accounts that are made on the targets besides those of the master system. */
export function usersStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const form = new Form({
    intro:
      'Local user accounts that are created on the target computers, besides those of the master system.',
    fields: [
      new ListField<UserAccount>({
        ...{ name: 'users', label: '', items: draft.users, max: 100, empty: 'no accounts are added' },
        describe: ({ name, fullName, group }) => {
          const known = fullName === '' ? '' : ` (${fullName})`;
          return `${name}${known} - ${GROUP_LABELS[group]}`;
        },
        edit: (user, host) => editUser(user, host),
        onChange: (users) => {
          draft.users = [...users];
        },
      }),
      new Note(''),
      new Note('Passwords must meet the password policy of the master computer.', { tone: 'muted' }),
    ],
  });
  return new FormStep(context, { step: 'users', title: 'User accounts', optional: true, form });
}

async function editUser(user: UserAccount | undefined, host: AnyHost): Promise<UserAccount | undefined> {
  let secret = user?.password ?? '';
  const name = new TextField({
    ...{ name: 'name', label: 'User name', value: user?.name ?? '', columns: 22 },
    check: checkedBy(userAccountSchema.shape.name),
  });
  const fullName = new TextField({
    ...{ name: 'fullName', label: 'Full name', value: user?.fullName ?? '', max: 256 },
  });
  const checkAgain = (typed: string) =>
    typeof secret === 'string' && typed !== secret ? 'the two passwords differ' : '';
  const password = secretField({
    ...{ name: 'password', label: 'Password', secret },
    onChange: (changed) => {
      secret = changed;
      if (again.touched) again.check();
    },
  });
  const again = new PasswordField({
    ...{ name: '', label: 'Password again', columns: 30, max: 256 },
    value: typeof secret === 'string' ? secret : '',
    check: checkAgain,
  });
  const group = new ChoiceField({
    ...{ name: 'group', label: 'Group', value: user?.group ?? 'users' },
    choices: Object.entries(GROUP_LABELS).map(([value, label]) => ({
      value: value as UserAccount['group'],
      label,
    })),
  });
  return host.open(
    new EditPage<UserAccount>({
      title: user === undefined ? 'Add a user account' : `Edit the user account "${user.name}"`,
      helpTopic: 'wizard-users',
      fields: [name, fullName, password, again, group],
      schema: userAccountSchema,
      value: () => ({
        ...{ name: name.value, fullName: fullName.value, password: secret, group: group.value },
      }),
    }),
  );
}
