import { describe, expect, it } from 'vitest';
import { keysOf } from './keyboard.ts';

describe('keysOf', () => {
  it('knows a key for every printable ASCII character', () => {
    for (let code = 0x20; code < 0x7f; code += 1) {
      expect(keysOf(String.fromCharCode(code)).length).toBeGreaterThan(0);
    }
  });

  it('holds shift for capitals and upper signs', () => {
    expect(keysOf('A')).toEqual(['shift', 'a']);
    expect(keysOf('_')).toEqual(['shift', 'minus']);
    expect(keysOf('/')).toEqual(['slash']);
  });

  it('refuses what no key makes', () => {
    expect(() => keysOf('ä')).toThrow('no key');
  });
});
