import { Form } from '../../../lib/tui/form.ts';
import { FormPage } from '../../../lib/tui/form-page.ts';
import { PasswordField } from '../../../lib/tui/text-field.ts';
import type { DeployPlan } from '../../console-api.ts';

/** Asks for the password that a template leaves out; its result is what was typed. */
export class DomainPasswordPage extends FormPage<string> {
  constructor({ user, domain }: NonNullable<DeployPlan['asks']>) {
    const password = new PasswordField({
      ...{ name: 'password', label: `Password of ${user}`, max: 256, columns: 30 },
      check: (value) => (value === '' ? 'type the password' : ''),
    });
    super({
      title: `Who joins computers to ${domain}`,
      helpTopic: 'wizard-names',
      form: new Form({ fields: [password] }),
      actions: [
        {
          ...{ key: 'F2', label: 'Go on' },
          run: (host) => {
            if (this.form.check()) host.close(password.value);
          },
        },
      ],
    });
  }
}
