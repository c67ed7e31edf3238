import type { z } from 'zod';
import type { AnyHost, Field } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage, runAction } from '../../../lib/tui/form-page.ts';
import { ButtonRow, Note } from '../../../lib/tui/note-field.ts';
import { schemaProblems } from './wizard-problems.ts';

export interface EditPageOptions<T> {
  title: string;
  helpTopic: string;
  fields: readonly Field[];
  schema: z.ZodType<T>;
  /** What the fields say; its problems are shown at the fields named by their paths. */
  value: () => unknown;
}

/** A dialog for one item of a list: OK or F2 takes it once it is right. */
export class EditPage<T> extends FormPage<T> {
  constructor(options: EditPageOptions<T>) {
    const { title, helpTopic, fields, schema, value } = options;
    const take = async (host: AnyHost) => {
      const isRight = this.form.check();
      const rest = this.form.setProblems(schemaProblems(schema, value()));
      if (rest[0] !== undefined) await host.message(title, `${rest[0].path}: ${rest[0].message}`);
      else if (isRight && fields.every((field) => field.problem === '')) host.close(schema.parse(value()));
    };
    const ok = { key: 'F2', label: 'OK', run: take };
    const buttons = new ButtonRow([
      { label: 'OK', press: (host) => runAction(ok, host) },
      { label: 'Cancel', press: (host) => host.close() },
    ]);
    super({
      title,
      helpTopic,
      form: new Form({ fields: [...fields, new Note(''), buttons] }),
      actions: [ok],
    });
  }
}

/** A field's check against its part of a schema. */
export function checkedBy(schema: z.ZodType): (value: string) => string {
  return (value) => schemaProblems(schema, value)[0]?.message ?? '';
}
