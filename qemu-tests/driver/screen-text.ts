/** Where BIOS text mode keeps its screen: 80 × 25 cells of a character and an attribute byte. */
export const TEXT_SCREEN_ADDRESS = 0xb8000;
export const TEXT_COLUMNS = 80;
export const TEXT_ROWS = 25;
export const TEXT_SCREEN_BYTES = TEXT_COLUMNS * TEXT_ROWS * 2;

/** The lines a person sees on a BIOS text screen; characters outside ASCII become `?`. */
export function decodeTextScreen(memory: Uint8Array): string {
  const lines: string[] = [];
  for (let row = 0; row < TEXT_ROWS; row++) {
    let line = '';
    for (let column = 0; column < TEXT_COLUMNS; column++) {
      const code = memory[(row * TEXT_COLUMNS + column) * 2] ?? 0;
      line += code === 0 ? ' ' : code < 0x20 || code > 0x7e ? '?' : String.fromCharCode(code);
    }
    lines.push(line.trimEnd());
  }
  return lines.join('\n').trimEnd();
}
