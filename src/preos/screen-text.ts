const PLAIN_SPELLINGS: Record<string, string> = {
  '…': '...',
  '–': '-',
  '—': '-',
  '×': 'x',
  '≥': '>=',
  '≤': '<=',
};

/** Printable ASCII: the fonts of a firmware console hold nothing else for certain. */
export function asciiOf(text: string): string {
  return text
    .replace(
      /[^\x20-\x7e]/gu,
      (character) => PLAIN_SPELLINGS[character] ?? (/\s/.test(character) ? ' ' : '?'),
    )
    .trimEnd();
}
