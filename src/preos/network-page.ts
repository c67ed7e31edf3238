import { padText } from '../lib/tui/cell-text.ts';
import { ChoiceField } from '../lib/tui/choice-field.ts';
import { Form } from '../lib/tui/form.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../lib/tui/page.ts';
import { TextField } from '../lib/tui/text-field.ts';
import type { Countdown } from './countdown.ts';
import type { NetworkInterface } from './interfaces.ts';
import { draftOf, draftProblems, type NetworkDraft, settingsOf } from './network-draft.ts';
import type { NetworkSettings } from './network-plan.ts';

const REFRESH_MS = 500;
const CARDS_SHOWN_MAX = 6;

export interface NetworkPageOptions {
  now: NetworkSettings;
  interfaces: () => readonly NetworkInterface[];
  countdown?: Countdown | undefined;
}

/** `Network settings`: how this computer gets its address. Closes with the settings to apply. */
export class NetworkPage implements Page<NetworkSettings> {
  readonly title = 'Network settings';
  readonly helpTopic = 'preos.network';
  readonly #options: NetworkPageOptions;
  readonly #kind: ChoiceField<'dhcp' | 'static'>;
  readonly #texts: Record<'address' | 'mask' | 'gateway' | 'dns' | 'vlan', TextField>;
  readonly #card: ChoiceField<string>;
  readonly #form: Form;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NetworkPageOptions) {
    this.#options = options;
    const cards = options.interfaces().filter((item) => item.kind === 'card');
    const draft = draftOf(options.now, cards);
    this.#kind = new ChoiceField({
      name: 'kind',
      label: 'IPv4 address',
      value: draft.kind,
      choices: [
        { value: 'dhcp', label: 'Automatic (DHCP)' },
        { value: 'static', label: 'Static' },
      ],
    });
    const text = (name: 'address' | 'mask' | 'gateway' | 'dns' | 'vlan', label: string, hint: string) =>
      new TextField({
        name,
        label,
        hint,
        value: draft[name],
        columns: name === 'vlan' ? 6 : name === 'dns' ? 48 : 16,
        max: name === 'dns' ? 60 : 18,
        check: () => draftProblems(this.#draft())[name] ?? '',
        hidden: () => name !== 'vlan' && this.#kind.value === 'dhcp',
      });
    this.#texts = {
      address: text('address', 'Address', 'e.g. 10.0.0.5'),
      mask: text('mask', 'Subnet mask', 'e.g. 255.255.255.0 or 24'),
      gateway: text('gateway', 'Gateway', 'the router; may stay empty'),
      dns: text('dns', 'DNS servers', 'up to three, with spaces between; may stay empty'),
      vlan: text('vlan', 'VLAN', 'only where the switch port carries several networks'),
    };
    this.#card = new ChoiceField({
      name: 'card',
      label: 'Network card',
      value: draft.card,
      choices: [
        { value: '', label: 'Every card with a link' },
        ...cards.map(({ mac, name }) => ({ value: mac, label: name, hint: mac })),
      ],
    });
    const { address, mask, gateway, dns, vlan } = this.#texts;
    this.#form = new Form({ fields: [this.#kind, address, mask, gateway, dns, this.#card, vlan] });
  }

  onShown(host: PageHost<NetworkSettings>): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => host.refresh(), REFRESH_MS);
  }

  onHidden(): void {
    clearInterval(this.#timer);
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Space', label: 'Choose' },
      { key: 'F2', label: 'Apply' },
      { key: 'Esc', label: 'Leave as it is' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<NetworkSettings>): void {
    this.#options.countdown?.stop();
    if (key.name === 'escape') host.close();
    else if (key.name !== 'f2') this.#form.onKey(key, host);
    else if (this.#form.check()) host.close(settingsOf(this.#draft()));
  }

  render(size: PageSize): Line[] {
    const cards = this.#cardLines(size);
    const rows = Math.max(5, size.rows - cards.length - 2);
    return ['', ...this.#form.render({ columns: size.columns, rows }), '', ...cards];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const rows = Math.max(5, size.rows - this.#cardLines(size).length - 2);
    const place = this.#form.cursor({ columns: size.columns, rows });
    return place === undefined ? undefined : { row: place.row + 1, column: place.column };
  }

  #draft(): NetworkDraft {
    const { address, mask, gateway, dns, vlan } = this.#texts;
    return {
      kind: this.#kind.value,
      address: address.value,
      mask: mask.value,
      gateway: gateway.value,
      dns: dns.value,
      card: this.#card.value,
      vlan: vlan.value.trim(),
    };
  }

  #cardLines(size: PageSize): Line[] {
    const left = this.#options.countdown?.secondsLeft;
    const lines: Line[] = [];
    if (left !== undefined) {
      lines.push(
        [{ text: `  These settings are applied in ${left} s; any key stops that.`, tone: 'warning' }],
        '',
      );
    }
    const all = this.#options.interfaces();
    if (all.length === 0) {
      return [...lines, [{ text: '  ! No network card was found: its driver may be missing', tone: 'bad' }]];
    }
    const shown = all.slice(0, Math.max(1, Math.min(CARDS_SHOWN_MAX, size.rows - 14)));
    lines.push([{ text: '  Card        MAC address        Link            Address', tone: 'muted' }]);
    lines.push(...shown.map(cardLine));
    if (all.length > shown.length) lines.push(`  and ${all.length - shown.length} more`);
    return lines;
  }
}

function cardLine(item: NetworkInterface): Line {
  const speed = item.speedMbit > 0 ? `${item.speedMbit} Mbit/s` : 'connected';
  return [
    { text: `  ${padText(item.name, 10)}  ${item.mac}  ` },
    { text: padText(item.link ? speed : 'no link', 14), tone: item.link ? 'good' : 'warning' },
    { text: `  ${item.addresses.join(' ') || 'none yet'}` },
  ];
}
