import type { Span, Tone } from './page.ts';

/** A bar of exactly so many columns; a fraction outside 0 to 1 is brought inside. */
export function progressSpans(fraction: number, columns: number, tone: Tone = 'plain'): Span[] {
  const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
  const filled = Math.floor(share * columns);
  return [
    { text: '█'.repeat(filled), tone },
    { text: '░'.repeat(columns - filled), tone: 'muted' },
  ];
}

/** Bar and percents as one text, for a cell of a table. */
export function progressText(fraction: number, barColumns: number): string {
  const bar = progressSpans(fraction, barColumns).map(({ text }) => text);
  return `${bar.join('')} ${percentText(fraction)}`;
}

/** ` 45 %`: five columns. */
export function percentText(fraction: number): string {
  const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
  return `${Math.floor(share * 100)} %`.padStart(5);
}
