/**
 * Text for HTML and SVG, in elements and in quoted attributes. Control characters and those that turn the direction of
 * writing are shown as a replacement character: names and reasons come from other computers.
 */
export function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu, (one) =>
      one === '\n' || one === '\t' ? ' ' : '\ufffd',
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
