import type { KeyPress, Line, Span } from './page.ts';

/** A row of tab titles; Left, Right and Tab change the active one. */
export class Tabs {
  readonly titles: readonly string[];
  active = 0;

  constructor(titles: readonly string[]) {
    this.titles = titles;
  }

  /** @returns whether the key was used. */
  onKey(key: KeyPress): boolean {
    const step = { left: -1, backtab: -1, right: 1, tab: 1 }[key.name];
    if (step === undefined) return false;
    this.active = (this.active + step + this.titles.length) % this.titles.length;
    return true;
  }

  /** Titles and the rule under them. */
  render(columns: number): Line[] {
    const titles: Span[] = [{ text: ' ' }];
    let rule = '─';
    this.titles.forEach((title, i) => {
      const active = i === this.active;
      titles.push({ text: ` ${title} `, tone: active ? 'heading' : 'muted' }, { text: '  ' });
      rule += `${(active ? '═' : '─').repeat(title.length + 2)}──`;
    });
    return [titles, [{ text: rule.padEnd(columns, '─').slice(0, columns), tone: 'muted' }]];
  }
}
