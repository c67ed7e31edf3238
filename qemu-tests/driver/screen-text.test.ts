import { describe, expect, it } from 'vitest';
import { decodeTextScreen, TEXT_SCREEN_BYTES } from './screen-text.ts';

describe('decodeTextScreen', () => {
  it('reads characters and skips attributes', () => {
    const memory = Buffer.alloc(TEXT_SCREEN_BYTES, Buffer.from([0x20, 0x07]));
    Buffer.from('TotalDeploy').forEach((code, i) => {
      memory[160 + i * 2] = code;
    });
    memory[160 + 30] = 0xdb;
    expect(decodeTextScreen(memory)).toBe('\nTotalDeploy    ?');
  });

  it('takes memory that is too short for a blank screen', () => {
    expect(decodeTextScreen(Buffer.alloc(3))).toBe('');
  });
});
