import { ChoiceField } from '../../../lib/tui/choice-field.ts';
import { TextField } from '../../../lib/tui/text-field.ts';

/** The keys of an object whose values are texts. */
type TextKey<T> = { [Key in keyof T]: T[Key] extends string ? Key : never }[keyof T];

interface Bound {
  /** Path of the problem in the template. */
  name: string;
  label: string;
  hint?: string;
  columns?: number;
  hidden?: () => boolean;
}

/** A field that writes what is typed into the draft. */
export function boundText<T, Key extends TextKey<T> & keyof T>(part: T, key: Key, options: Bound): TextField {
  return new TextField({
    ...options,
    value: part[key] as string,
    onChange: (value) => {
      part[key] = value as T[Key];
    },
  });
}

/** A choice that is written into the draft. */
export function boundChoice<T, Key extends TextKey<T> & keyof T>(
  part: T,
  key: Key,
  options: Bound & { choices: readonly { value: T[Key] & string; label: string; hint?: string }[] },
): ChoiceField<T[Key] & string> {
  return new ChoiceField({
    ...options,
    value: part[key] as T[Key] & string,
    onChange: (value) => {
      part[key] = value;
    },
  });
}
