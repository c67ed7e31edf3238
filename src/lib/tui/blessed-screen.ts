import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { CellPlace, PageSize } from './page.ts';
import type { ScreenPicture, ScreenSpan } from './screen-lines.ts';
import { terminalEntry } from './terminal-entries.ts';
import { attributeOf, glyphOf, type TerminalLook } from './terminal-look.ts';

type Cell = [attribute: number, character: string];

/** The parts of blessed that are used here; its own types know the widgets only. */
interface BlessedProgram {
  cols: number;
  rows: number;
  flush(): void;
  cup(row: number, column: number): void;
  showCursor(): void;
  hideCursor(): void;
}

interface BlessedScreen {
  lines: (Cell[] & { dirty: boolean })[];
  alloc(): void;
  draw(first: number, last: number): void;
  destroy(): void;
}

/** What blessed writes to: it takes the text and knows the size. */
class TextSink extends EventEmitter {
  readonly isTTY = true;
  readonly writable = true;
  columns: number;
  rows: number;
  readonly #write: (text: string) => void;

  constructor(size: PageSize, write: (text: string) => void) {
    super();
    this.columns = size.columns;
    this.rows = size.rows;
    this.#write = write;
  }

  write(text: string): boolean {
    this.#write(text);
    return true;
  }
}

export interface BlessedScreenOptions {
  look: TerminalLook;
  size: PageSize;
  /** Gets what the terminal is to show, at once. */
  write: (text: string) => void;
}

/** Draws pictures on a terminal: blessed finds and writes what changed. */
export class TerminalScreen {
  readonly #options: BlessedScreenOptions;
  readonly #sink: TextSink;
  readonly #program: BlessedProgram;
  readonly #screen: BlessedScreen;
  /** What each row shows, to leave alone what did not change. */
  #drawn: string[] = [];
  #cursor = '';

  private constructor(options: BlessedScreenOptions, blessed: BlessedModules) {
    this.#options = options;
    this.#sink = new TextSink(options.size, options.write);
    const { look } = options;
    const program = new blessed.Program({
      // Keys are decoded by KeyDecoder: blessed mistakes sequences that arrive in pieces.
      input: new PassThrough(),
      output: this.#sink,
      terminal: look.family,
      forceUnicode: look.unicode,
      buffer: true,
      zero: true,
    });
    program.tput.brokenACS = look.family !== 'vt';
    // Without a locale blessed would turn what it takes for unknown into question marks.
    program.tput.unicode = true;
    program.tput.colors = 256;
    this.#program = program;
    this.#screen = new blessed.Screen({ program });
    // Signals and exceptions are this program's own business.
    process.removeListener('uncaughtException', blessed.Screen._exceptionHandler);
    process.removeListener('SIGTERM', blessed.Screen._sigtermHandler);
    process.removeListener('SIGINT', blessed.Screen._sigintHandler);
    process.removeListener('SIGQUIT', blessed.Screen._sigquitHandler);
    this.#program.flush();
  }

  /** Loads blessed and takes the terminal over. */
  static async open(options: BlessedScreenOptions): Promise<TerminalScreen> {
    return new TerminalScreen(options, await loadBlessed());
  }

  draw(picture: ScreenPicture): void {
    const rows = this.#screen.lines;
    picture.lines.slice(0, rows.length).forEach((line, row) => {
      const key = line.map(({ text, tone }) => `${tone ?? ''}\x00${text}`).join('\x01');
      if (this.#drawn[row] === key) return;
      this.#drawn[row] = key;
      this.#fill(row, line);
    });
    this.#screen.draw(0, rows.length - 1);
    this.#place(picture.cursor);
    this.#program.flush();
  }

  resize(size: PageSize): void {
    this.#sink.columns = size.columns;
    this.#sink.rows = size.rows;
    this.#program.cols = size.columns;
    this.#program.rows = size.rows;
    this.clear();
  }

  /** Forgets what the terminal shows, so that the next picture is drawn whole. */
  clear(): void {
    this.#drawn = [];
    this.#cursor = '';
    this.#screen.alloc();
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#screen.destroy();
    this.#program.flush();
  }

  #fill(row: number, line: readonly ScreenSpan[]): void {
    const cells = this.#screen.lines[row];
    if (cells === undefined) return;
    const { look } = this.#options;
    let column = 0;
    for (const { text, tone = 'plain' } of line) {
      const attribute = attributeOf(tone, look);
      for (const character of text) {
        const cell = cells[column];
        if (cell === undefined) break;
        cell[0] = attribute;
        cell[1] = glyphOf(character, look);
        column += 1;
      }
    }
    cells.dirty = true;
  }

  #place(cursor: CellPlace | undefined): void {
    const place = cursor === undefined ? '' : `${cursor.row},${cursor.column}`;
    if (place === this.#cursor) return;
    if (cursor === undefined) this.#program.hideCursor();
    else {
      this.#program.cup(cursor.row, cursor.column);
      if (this.#cursor === '') this.#program.showCursor();
    }
    this.#cursor = place;
  }
}

interface BlessedModules {
  // biome-ignore lint/suspicious/noExplicitAny: untyped inner modules of blessed
  Program: any;
  // biome-ignore lint/suspicious/noExplicitAny: see Program
  Screen: any;
}

/** Only these two: its other widgets take time to load, and one wants packages that are not there. */
async function loadBlessed(): Promise<BlessedModules> {
  // @ts-expect-error: these modules have no types
  const tput = (await import('blessed/lib/tput.js')).default;
  // @ts-expect-error: see above
  const program = (await import('blessed/lib/program.js')).default;
  // @ts-expect-error: see above
  const screen = (await import('blessed/lib/widgets/screen.js')).default;
  // The same on every computer, and nothing that the executable would have to look for.
  tput.prototype.readTerminfo = (term: string | undefined) =>
    terminalEntry(term === 'linux' || term === 'vt' ? term : 'xterm');
  return { Program: program, Screen: screen };
}
