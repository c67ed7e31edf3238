import { TdError } from '../../lib/errors.ts';

/**
 * An answer file of XP and Server 2003 that is being changed: sections of `key = value` in Setup's INF syntax, where
 * sections of one name are one. Lines that are not touched stay byte for byte, comments too.
 */
export class SysprepInfText {
  readonly #lines: string[];
  #isWide: boolean;
  readonly #what: string;

  /** @param options.what names the file in errors. @throws TdError `invalid` when it is no text. */
  constructor(bytes: Buffer | undefined, options: { what: string }) {
    this.#isWide = bytes?.[0] === 0xff && bytes[1] === 0xfe;
    this.#what = options.what;
    // What is not Unicode is in the master's code page, which does not matter while it is kept as it is.
    const text = bytes?.toString(this.#isWide ? 'utf16le' : 'latin1').replace(/^\ufeff/, '') ?? '';
    if (/[\x00-\x08\x0e-\x19]/.test(text)) {
      throw new TdError(
        'invalid',
        `Cannot use the answer file "${options.what}": it is no text; put it right on the master`,
      );
    }
    this.#lines = text === '' ? [] : text.split(/\r\n|\n|\r/);
  }

  /** In Unicode where it was, or where a value needs it. */
  toBuffer(): Buffer {
    const text = this.#lines.join('\r\n');
    return this.#isWide ? Buffer.from(`\ufeff${text}`, 'utf16le') : Buffer.from(text, 'latin1');
  }

  /** The value as it is written, without quotes; undefined when there is none. */
  value(section: string, key: string): string | undefined {
    const line = this.#lines[this.#find(section, key)];
    return line
      ?.slice(line.indexOf('=') + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
  }

  /** Sets a value or a list; what else the section holds stays. @throws TdError `invalid` when the file cannot hold it. */
  set(section: string, key: string, ...values: readonly string[]): void {
    for (const value of values) this.#prepareFor(value);
    const line = `${key} = ${values.map(quoted).join(',')}`;
    const at = this.#find(section, key);
    if (at >= 0) this.#lines[at] = line;
    else this.#lines.splice(this.#endOf(section), 0, line);
  }

  /** Adds a line as it is, once. */
  addLine(section: string, line: string): void {
    if (!this.#lines.some((each) => each.trim() === line)) this.#lines.splice(this.#endOf(section), 0, line);
  }

  /** Takes values away; all of the section without keys. */
  remove(section: string, keys?: readonly string[]): void {
    const wanted = keys?.map((key) => key.toLowerCase());
    let inside = false;
    const kept = this.#lines.filter((line) => {
      const name = sectionOf(line);
      if (name !== undefined) inside = name === section.toLowerCase();
      const isHit = wanted === undefined ? true : name === undefined && wanted.includes(keyOf(line));
      return !(inside && isHit);
    });
    this.#lines.splice(0, this.#lines.length, ...kept);
  }

  #find(section: string, key: string): number {
    let inside = false;
    return this.#lines.findIndex((line) => {
      const name = sectionOf(line);
      if (name !== undefined) inside = name === section.toLowerCase();
      return inside && name === undefined && keyOf(line) === key.toLowerCase();
    });
  }

  /** Where the section's next line goes; the section is made when it is not there. */
  #endOf(section: string): number {
    const start = this.#lines.findIndex((line) => sectionOf(line) === section.toLowerCase());
    if (start < 0) {
      while (this.#lines.at(-1)?.trim() === '') this.#lines.pop();
      this.#lines.push(`[${section}]`, '');
      return this.#lines.length - 1;
    }
    let end = start + 1;
    for (let at = end; at < this.#lines.length && sectionOf(this.#lines[at] ?? '') === undefined; at++) {
      if (this.#lines[at]?.trim() !== '') end = at + 1;
    }
    return end;
  }

  /** Only a file of plain ASCII can become Unicode without knowing its code page. */
  #prepareFor(value: string): void {
    if (/[\x00-\x1f]/.test(value)) throw new RangeError('a value with a control character');
    if (/^[\x20-\x7e]*$/.test(value)) return;
    if (!this.#isWide && this.#lines.some((line) => /[\x80-\xff]/.test(line))) {
      throw new TdError(
        'invalid',
        `Cannot change the answer file "${this.#what}": it holds letters of a code page that is not known; save it as Unicode on the master`,
      );
    }
    this.#isWide = true;
  }
}

function sectionOf(line: string): string | undefined {
  return /^\s*\[\s*([^\]]*?)\s*\]/.exec(line)?.[1]?.toLowerCase();
}

/** Empty for a comment or an empty line. */
function keyOf(line: string): string {
  return /^\s*"?([^;="]*?)"?\s*=/.exec(line)?.[1]?.toLowerCase() ?? '';
}

/** Setup takes a quote for an end and a % for the name of a string, unless they are doubled (INF syntax rules). */
function quoted(value: string): string {
  if (/^[A-Za-z0-9_.*:-]+$/.test(value)) return value;
  return `"${value.replaceAll('"', '""').replaceAll('%', '%%')}"`;
}
