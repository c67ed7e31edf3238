import { Form } from '../../../lib/tui/form.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import { plural } from '../../commands/text-table.ts';
import { boundChoice, boundText } from './draft-fields.ts';
import { addressCount } from './subnet-mask.ts';
import { tableFields } from './table-fields.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

/** Page 7: addresses of the targets and their DNS properties. */
export function networkStep(context: WizardContext): FormStep {
  const { network } = context.model.draft;
  const notStatic = () => network.kind !== 'static';
  const notGiven = () => network.kind !== 'static' && network.kind !== 'table';
  const kept = () => network.kind === 'keep';
  const table = tableFields(context, { hidden: () => network.kind !== 'table' });
  const range = new Note('', { label: 'Range', tone: 'heading', hidden: notStatic });
  const form = new Form({
    fields: [
      boundChoice(network, 'kind', {
        ...{ name: 'network.kind', label: 'Network settings' },
        choices: [
          { value: 'keep', label: 'as on the master system' },
          { value: 'dhcp', label: 'obtain addresses automatically (DHCP)' },
          { value: 'static', label: 'a range of static addresses' },
          { value: 'table', label: 'addresses from a table by MAC address' },
        ],
      }),
      boundText(network, 'first', {
        ...{ name: 'network.first', label: 'First address', columns: 15, hidden: notStatic },
      }),
      boundText(network, 'last', {
        ...{ name: 'network.last', label: 'Last address', columns: 15, hidden: notStatic },
      }),
      range,
      ...table.fields,
      boundText(network, 'mask', {
        ...{ name: 'network.prefixLength', label: 'Subnet mask', columns: 15, hidden: notGiven },
        hint: 'e.g. 255.255.255.0 or /24',
      }),
      boundText(network, 'gateway', {
        ...{ name: 'network.gateway', label: 'Default gateway', columns: 15, hidden: notGiven },
        hint: 'empty: none',
      }),
      boundText(network, 'dnsServers', {
        ...{ name: 'network.dnsServers', label: 'DNS servers', hidden: kept },
        hint: 'optional, up to three with commas between them',
      }),
      boundText(network, 'dnsSuffix', {
        ...{ name: 'network.dnsSuffix', label: 'DNS suffix', hidden: kept },
        hint: 'optional, e.g. lab.example.org',
      }),
    ],
  });
  return new FormStep(context, {
    ...{ step: 'network', title: 'Network settings', form },
    refresh: () => {
      table.follow();
      const count = addressCount(network.first.trim(), network.last.trim());
      range.text = count === undefined ? '-' : plural(count, 'address').replace(/addresss$/, 'addresses');
    },
  });
}
