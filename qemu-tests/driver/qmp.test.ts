import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../../src/lib/errors.ts';
import { QmpDecoder } from './qmp.ts';

const GREETING = { QMP: { version: { qemu: { major: 7 } }, capabilities: [] } };
const EVENT = { event: 'SHUTDOWN', data: { guest: true, reason: 'guest-shutdown' }, timestamp: {} };

/** zod leaves this one key out on purpose; QEMU has none of that name. */
const KEY = fc.string().filter((key) => key !== '__proto__');

describe('QMP decoder', () => {
  it('reads greetings, answers, errors and events', () => {
    const lines = [GREETING, EVENT, { return: {}, id: 1 }, { error: { class: 'X', desc: 'no' }, id: 2 }];
    const text = lines.map((line) => `${JSON.stringify(line)}\r\n`).join('');
    expect(new QmpDecoder().push(text)).toHaveLength(4);
  });

  it('gives the same messages however the stream is cut', () => {
    const messages = fc.array(
      fc.oneof(
        fc.record({ return: fc.jsonValue(), id: fc.nat() }),
        fc.record({ event: fc.string(), data: fc.dictionary(KEY, fc.jsonValue()) }),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 30 }), (sent, pieceChars) => {
        const text = sent.map((message) => `${JSON.stringify(message)}\r\n`).join('');
        const decoder = new QmpDecoder();
        const got: unknown[] = [];
        for (let at = 0; at < text.length; at += pieceChars) {
          got.push(...decoder.push(text.slice(at, at + pieceChars)));
        }
        expect(JSON.stringify(got)).toBe(JSON.stringify(sent));
      }),
    );
  });

  it('refuses what is no QMP with one line', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          new QmpDecoder().push(`${text}\n`);
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
          expect((error as TdError).code).toBe('invalid');
          expect((error as TdError).message).not.toContain('\n');
        }
      }),
    );
    expect(() => new QmpDecoder().push('hello\n')).toThrow(/no JSON/);
    expect(() => new QmpDecoder().push('{"id":1}\n')).toThrow(/no message/);
  });
});
