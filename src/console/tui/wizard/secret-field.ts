import { PasswordField } from '../../../lib/tui/text-field.ts';
import type { Secret } from '../../../schema/template.ts';

export interface SecretFieldOptions {
  name: string;
  label: string;
  secret: Secret;
  hidden?: () => boolean;
  onChange: (secret: Secret) => void;
}

/** A password that may be sealed by a console: that one stays until another is typed. */
export function secretField(options: SecretFieldOptions): PasswordField {
  const { secret, onChange, ...field } = options;
  const isSealed = typeof secret !== 'string';
  return new PasswordField({
    ...field,
    value: isSealed ? '' : secret,
    max: 256,
    columns: 30,
    ...(isSealed ? { hint: 'The saved password stays unless another is typed.' } : {}),
    onChange: (text) => onChange(text === '' && isSealed ? secret : text),
  });
}
