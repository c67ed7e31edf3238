import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineColumns, plainLine } from './cell-text.ts';
import { CheckField, ChoiceField } from './choice-field.ts';
import { Form } from './form.ts';
import { ListField } from './list-field.ts';
import { ButtonRow, Note } from './note-field.ts';
import { anyText } from './testdata/any-text.ts';
import { FakeHost, press } from './testdata/fake-host.ts';
import { NumberField, PasswordField, TextField } from './text-field.ts';

const SIZE = { columns: 80, rows: 20 };

function type(form: Form, keys: readonly string[]): FakeHost {
  const host = new FakeHost();
  for (const key of keys) form.onKey(press(key), host);
  return host;
}

const drawn = (form: Form) => form.render(SIZE).map((line) => plainLine(line).trimEnd());

describe('a form', () => {
  it('shows a problem once its field was touched, and all of them once they were set', () => {
    const form = new Form({
      fields: [
        new TextField({ name: 'users', label: 'Users' }),
        new TextField({ name: 'first', label: 'First' }),
      ],
    });
    const problems = [
      { path: 'users.0.name', message: 'no name' },
      { path: 'first', message: 'no address' },
    ];
    form.showProblems(problems);
    expect(drawn(form).join()).not.toMatch(/no name|no address/);
    type(form, ['a']);
    form.showProblems(problems);
    expect(drawn(form).join()).toMatch(/no name/);
    expect(drawn(form).join()).not.toMatch(/no address/);
    form.setProblems(problems);
    form.showProblems(problems.slice(1));
    expect(form.fields.map((field) => field.problem)).toEqual(['', 'no address']);
  });

  it('aligns values, and shows a problem at its field', () => {
    const form = new Form({
      intro: 'About this page.',
      fields: [
        new TextField({
          name: 'name',
          label: 'Name',
          value: 'x',
          check: (value) => (value === '' ? 'give one' : ''),
        }),
        new CheckField({ name: 'wake', label: 'Before', text: 'Wake them', value: true }),
        new Note('Just words', { label: 'Remark' }),
      ],
    });
    type(form, ['backspace']);
    const lines = drawn(form);
    expect(lines.slice(0, 2)).toEqual(['  About this page.', '']);
    expect(lines[2]).toMatch(/^ {2}Name {4}\[_+\]$/);
    expect(lines[3]).toBe('          ! give one');
    expect(lines[4]).toBe('  Before  [x] Wake them');
    expect(lines[5]).toBe('  Remark  Just words');
  });

  it('moves with the arrows, Tab and Enter, past what is hidden or only text', () => {
    let isShown = false;
    const form = new Form({
      fields: [
        new TextField({ name: 'a', label: 'A' }),
        new TextField({ name: 'b', label: 'B', hidden: () => !isShown }),
        new Note('text'),
        new TextField({ name: 'c', label: 'C' }),
      ],
    });
    type(form, ['down']);
    expect(form.focused?.name).toBe('c');
    type(form, ['tab']);
    expect(form.focused?.name).toBe('a');
    isShown = true;
    type(form, ['enter']);
    expect(form.focused?.name).toBe('b');
    isShown = false;
    drawn(form);
    expect(form.focused?.name).toBe('a');
  });

  it('puts the cursor on the first wrong field', () => {
    const form = new Form({
      fields: [
        new TextField({ name: 'a', label: 'A' }),
        new NumberField({ name: 'n', label: 'N', value: 5, min: 1, max: 9 }),
      ],
    });
    expect(form.check()).toBe(true);
    (form.fields[1] as NumberField).value = 70;
    expect(form.check()).toBe(false);
    expect(form.focused?.name).toBe('n');
    expect(form.fields[1]?.problem).toBe('a whole number from 1 to 9');
  });

  it('finds the fields of problems by their paths and gives back the rest', () => {
    const form = new Form({ fields: [new TextField({ name: 'users', label: 'Users' })] });
    const rest = form.setProblems([
      { path: 'users.0.name', message: 'too long' },
      { path: 'image', message: 'missing' },
    ]);
    expect(form.fields[0]?.problem).toBe('too long');
    expect(rest).toEqual([{ path: 'image', message: 'missing' }]);
  });

  it('scrolls to the field with the cursor and knows where that is', () => {
    const form = new Form({
      intro: 'Words above',
      fields: Array.from({ length: 30 }, (_, i) => new TextField({ name: `f${i}`, label: `Field ${i}` })),
    });
    for (let i = 0; i < 29; i += 1) type(form, ['down']);
    const lines = drawn(form);
    const place = form.cursor(SIZE);
    expect(lines[place?.row ?? 0]).toContain('Field 29');
    for (let i = 0; i < 29; i += 1) type(form, ['up']);
    expect(drawn(form)[0]).toBe('  Words above');
  });

  it('never draws more or wider lines than there is room for', () => {
    const text = anyText();
    fc.assert(
      fc.property(text, text, text, fc.integer({ min: 78, max: 160 }), (label, value, problem, columns) => {
        const field = new TextField({ name: 'a', label, value, hint: value });
        const list = new ListField({
          name: 'l',
          label: 'L',
          items: [value],
          describe: (one) => one,
          edit: async () => '',
        });
        const choices = [{ value: 'x', label: value, hint: problem }];
        const choice = new ChoiceField({ name: 'c', label, value: 'x', choices });
        const form = new Form({ intro: value, fields: [field, list, choice, new Note(value)] });
        field.problem = problem;
        const lines = form.render({ columns, rows: 20 });
        expect(lines.length).toBeLessThanOrEqual(20);
        // Choices may be as long as they like: the framework cuts lines.
        for (const line of lines.slice(0, 3)) expect(lineColumns(line)).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe('a text field', () => {
  const host = new FakeHost();

  it('is edited at its cursor', () => {
    const field = new TextField({ name: 'a', label: 'A', value: 'abc' });
    for (const key of ['left', 'left', 'X', 'delete', 'home', 'backspace', 'end', 'ä'])
      field.onKey(press(key), host);
    expect(field.value).toBe('aXcä');
    field.onKey({ name: 'u', text: '', ctrl: true, shift: false }, host);
    expect(field.value).toBe('');
  });

  it('keeps what it cannot show, and counts characters', () => {
    const field = new TextField({ name: 'a', label: 'A', max: 3 });
    for (const text of ['電', '😀', 'é', 'x'])
      field.onKey({ name: 'paste', text, ctrl: false, shift: false }, host);
    expect(field.value).toBe('電😀é');
    expect(plainLine(field.render(40, false)[0]!)).toContain('[??é ');
  });

  it('takes a paste as one line', () => {
    const field = new TextField({ name: 'a', label: 'A' });
    field.onKey({ name: 'paste', text: 'one\r\ntwo', ctrl: false, shift: false }, host);
    expect(field.value).toBe('one two');
  });

  it('scrolls sideways so that the cursor is seen', () => {
    const field = new TextField({ name: 'a', label: 'A', value: 'x'.repeat(200), columns: 20 });
    expect(field.cursor(40).column).toBe(20);
    expect(plainLine(field.render(40, true)[0]!)).toContain('x_]');
  });

  it('shows nothing of a password', () => {
    const field = new PasswordField({ name: 'p', label: 'P', value: 'sécret😀' });
    expect(plainLine(field.render(40, true)[0]!)).toMatch(/^\[\*{7}_/);
    expect(field.value).toBe('sécret😀');
  });

  it('is filled by its browse page', async () => {
    const field = new TextField({ name: 'a', label: 'A', browse: async (now) => `${now}/chosen` });
    field.value = '/root';
    field.onKey(press('f4'), host);
    await Promise.resolve();
    await Promise.resolve();
    expect(field.value).toBe('/root/chosen');
  });
});

describe('other fields', () => {
  it('choose with Space, and not by passing', () => {
    const choices = (['a', 'b', 'c'] as const).map((value) => ({ value, label: value }));
    const field = new ChoiceField({ name: 'c', label: 'C', value: 'a', choices });
    const form = new Form({ fields: [field, new TextField({ name: 't', label: 'T' })] });
    type(form, ['down', 'down']);
    expect(field.value).toBe('a');
    type(form, ['space']);
    expect(field.value).toBe('c');
    type(form, ['down']);
    expect(form.focused?.name).toBe('t');
  });

  it('add, edit and delete items of a list', async () => {
    const results = ['new', 'changed', undefined];
    const edit = async () => results.shift();
    const field = new ListField<string>({
      name: 'l',
      label: 'L',
      items: ['one'],
      describe: (item) => item,
      edit,
    });
    const host = new FakeHost();
    for (const key of ['a', 'e', 'e']) {
      field.onKey(press(key), host);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(field.items).toEqual(['one', 'changed']);
    field.onKey(press('delete'), host);
    expect(field.items).toEqual(['one']);
  });

  it('press buttons and show what went wrong', async () => {
    const buttons = new ButtonRow([
      { label: 'OK', press: () => {} },
      { label: 'Fail', press: () => Promise.reject(new Error('no')) },
    ]);
    const host = new FakeHost();
    buttons.onKey(press('right'), host);
    buttons.onKey(press('enter'), host);
    await new Promise((resolve) => setImmediate(resolve));
    expect(host.errors).toHaveLength(1);
  });
});
