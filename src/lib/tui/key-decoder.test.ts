import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyDecoder } from './key-decoder.ts';

function keysOf(text: string): string[] {
  const decoder = new KeyDecoder();
  const keys = [...decoder.push(Buffer.from(text)), ...decoder.flush()];
  return keys.map(({ name, text: typed, ctrl, shift }) =>
    [ctrl ? 'ctrl+' : '', shift ? 'shift+' : '', name, typed === '' ? '' : `=${typed}`].join(''),
  );
}

describe('keys', () => {
  it.each([
    ['xterm', '\x1bOP\x1bOS\x1b[15~\x1b[24~\x1b[A\x1bOB', ['f1', 'f4', 'f5', 'f12', 'up', 'down']],
    ['the Linux console', '\x1b[[A\x1b[[E\x1b[17~\x1b[1~\x1b[4~', ['f1', 'f5', 'f6', 'home', 'end']],
    [
      'vt220',
      '\x1b[11~\x1b[21~\x1b[5~\x1b[6~\x1b[2~\x1b[3~',
      ['f1', 'f10', 'pageup', 'pagedown', 'insert', 'delete'],
    ],
    [
      'shift and control',
      '\x1b[1;2A\x1b[1;5C\x1b[Z\x1b[3;5~',
      ['shift+up', 'ctrl+right', 'shift+backtab', 'ctrl+delete'],
    ],
    ['text', 'aÄ é\x7f\r\t', ['a=a', 'shift+ä=Ä', 'space= ', 'é=é', 'backspace', 'enter', 'tab']],
    ['control keys', '\x03\x0c', ['ctrl+c', 'ctrl+l']],
    ['digits behind ESC', '\x1b1\x1b0\x1b9', ['f1', 'f10', 'f9']],
    ['ESC twice', '\x1b\x1b', ['escape']],
    ['ESC before a letter', '\x1bx', ['escape', 'x=x']],
    ['unknown sequences', '\x1b[99~\x1b[?1;2c\x1b[200Qa', ['a=a']],
  ])('of %s are known', (_name, bytes, keys) => {
    expect(keysOf(bytes)).toEqual(keys);
  });

  it('are the same however the bytes are cut', () => {
    const part = fc.constantFrom(
      '\x1b[A',
      '\x1b[[B',
      '\x1b[15~',
      '\x1bOP',
      '\x1b[1;2D',
      'ä',
      '電',
      'x',
      '\r',
    );
    const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), cuts, (parts, sizes) => {
        const bytes = Buffer.from(parts.join(''));
        const decoder = new KeyDecoder();
        const names: string[] = [];
        let at = 0;
        for (const size of sizes) {
          names.push(...decoder.push(bytes.subarray(at, at + size)).map(({ name }) => name));
          at += size;
        }
        const whole = new KeyDecoder().push(bytes).map(({ name }) => name);
        expect([...names, ...decoder.push(bytes.subarray(at)).map(({ name }) => name)]).toEqual(whole);
      }),
    );
  });

  it('of any bytes end and hold nothing for ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoder = new KeyDecoder();
        decoder.push(Buffer.from(bytes));
        decoder.flush();
        expect(decoder.waiting).toBe(false);
      }),
    );
  });

  it('that are pasted come as one, without the last line break', () => {
    const decoder = new KeyDecoder();
    expect(decoder.push(Buffer.from('\x1b[200~LAB-1\r'))).toEqual([]);
    expect(decoder.push(Buffer.from('LAB-2\r\n\x1b[201~x'))).toMatchObject([
      { name: 'paste', text: 'LAB-1\rLAB-2' },
      { name: 'x' },
    ]);
  });

  it('wait for what may follow an ESC', () => {
    const decoder = new KeyDecoder();
    expect(decoder.push(Buffer.from('\x1b'))).toEqual([]);
    expect(decoder.waiting).toBe(true);
    expect(decoder.push(Buffer.from('2'))).toMatchObject([{ name: 'f2' }]);
    expect(decoder.push(Buffer.from('\x1b'))).toEqual([]);
    expect(decoder.flush()).toMatchObject([{ name: 'escape' }]);
  });

  it('tell the cursor report from keys', () => {
    const decoder = new KeyDecoder();
    let report: number[] = [];
    decoder.onCursorReport = (row, column) => {
      report = [row, column];
    };
    expect(decoder.push(Buffer.from('\x1b[43;132Ry'))).toMatchObject([{ name: 'y' }]);
    expect(report).toEqual([43, 132]);
  });
});
