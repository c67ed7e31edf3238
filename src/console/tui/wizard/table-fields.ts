import { BrowsePage } from '../../../lib/tui/browse-page.ts';
import type { AnyHost, Field } from '../../../lib/tui/field.ts';
import { ListField } from '../../../lib/tui/list-field.ts';
import { ButtonRow, Note } from '../../../lib/tui/note-field.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import { type TableRow, tableRowSchema } from '../../../schema/template.ts';
import { plural } from '../../commands/text-table.ts';
import { normalMac } from '../../computers.ts';
import { EditPage } from './edit-page.ts';
import { maskPrefixLength, prefixLengthMask } from './subnet-mask.ts';
import type { WizardContext } from './wizard-step.ts';

export interface TableFields {
  fields: Field[];
  /** Takes over what another page changed in the table. */
  follow: () => void;
}

/** The template's table of names and addresses by MAC: two pages of the wizard show and change the same one. */
export function tableFields(context: WizardContext, options: { hidden: () => boolean }): TableFields {
  const { draft } = context.model;
  const { hidden } = options;
  let shown = draft.table;
  const list = new ListField<TableRow>({
    ...{ name: 'table', label: 'Table', items: draft.table, empty: 'no computers yet', max: 2000, hidden },
    describe: rowText,
    edit: (row, host) => editRow(row, host),
    onChange: (rows) => {
      draft.table = [...rows];
      shown = draft.table;
    },
  });
  const add = (rows: readonly TableRow[]) => {
    const byMac = new Map([...draft.table, ...rows].map((row) => [row.mac, row]));
    list.items = [...byMac.values()];
  };
  const buttons = new ButtonRow([
    {
      label: 'Import a CSV file',
      press: async (host) => {
        const path = await chooseTable(context, host);
        if (path === undefined) return;
        const rows = await context.api.call('template.table', { path });
        add(rows);
        await host.message('Import', `${plural(rows.length, 'computer')} taken from ${path}.`);
      },
    },
    { label: 'Add the chosen computers', press: () => add(chosenRows(context)) },
  ]);
  const help = new Note('CSV columns: mac, name, address, prefix, gateway', { tone: 'muted', hidden });
  return {
    fields: [list, Object.assign(buttons, { hidden }), help],
    follow: () => {
      if (draft.table !== shown) list.items = draft.table;
    },
  };
}

function rowText({ mac, name, address, prefixLength, gateway }: TableRow): string {
  const net =
    address === undefined ? '' : `${address}${prefixLength === undefined ? '' : `/${prefixLength}`}`;
  return [mac, (name ?? '').padEnd(15), net, gateway === undefined ? '' : `via ${gateway}`]
    .join('  ')
    .trimEnd();
}

/** Those of the chosen computers that the table does not have yet. */
function chosenRows({ computers, model }: WizardContext): TableRow[] {
  const { table, targets } = model.draft;
  const known = new Set(table.map((row) => row.mac));
  const chosen = computers.filter(
    (one) => targets.mode === 'connected' || targets.chosen.has(one.computerId),
  );
  return chosen
    .filter(({ macs }) => macs[0] !== undefined && !macs.some((mac) => known.has(mac)))
    .map(({ macs }) => ({ mac: macs[0]! }));
}

async function chooseTable({ api }: WizardContext, host: AnyHost): Promise<string | undefined> {
  const { dataDir } = await api.call('status', {});
  return host.open(
    new BrowsePage({
      ...{ title: 'Choose a CSV file', helpTopic: 'wizard-table', choose: 'file' as const, path: dataDir },
      list: (path) => api.call('browse', { path, suffix: '.csv' }),
    }),
  );
}

async function editRow(row: TableRow | undefined, host: AnyHost): Promise<TableRow | undefined> {
  const text = (name: keyof TableRow, options: { label: string; hint?: string; value?: string }) => {
    const check = (value: string) => (value.trim() === '' && name !== 'mac' ? '' : problemOf(name, value));
    return new TextField({ name, columns: 20, value: String(row?.[name] ?? ''), check, ...options });
  };
  const mac = text('mac', { label: 'MAC address', hint: 'of any of its network cards' });
  const name = text('name', { label: 'Computer name' });
  const address = text('address', { label: 'IP address' });
  const mask = text('prefixLength', {
    ...{ label: 'Subnet mask', hint: "empty: the network page's" },
    value: row?.prefixLength === undefined ? '' : prefixLengthMask(row.prefixLength),
  });
  const gateway = text('gateway', { label: 'Default gateway', hint: "empty: the network page's" });
  return host.open(
    new EditPage<TableRow>({
      title: row === undefined ? 'Add a computer to the table' : `Edit ${row.mac}`,
      helpTopic: 'wizard-table',
      fields: [mac, name, address, mask, gateway],
      schema: tableRowSchema,
      value: () =>
        Object.fromEntries(
          [mac, name, address, mask, gateway]
            .filter((field) => field.value.trim() !== '' || field === mac)
            .map((field) => [field.name, cellValue(field.name, field.value)]),
        ),
    }),
  );
}

function cellValue(name: string, text: string): string | number {
  if (name === 'prefixLength') return maskPrefixLength(text) ?? Number.NaN;
  return name === 'mac' ? normalMac(text.trim()) : text.trim();
}

function problemOf(name: keyof TableRow, text: string): string {
  const isRight = tableRowSchema.shape[name].safeParse(cellValue(name, text));
  if (isRight.success) return '';
  return name === 'prefixLength'
    ? 'use a subnet mask such as 255.255.255.0'
    : isRight.error.issues[0]!.message;
}
