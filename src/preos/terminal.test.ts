import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { openTerminal } from './terminal.ts';

const moduleUrl = JSON.stringify(new URL('terminal.ts', import.meta.url).href);

/** Opens its own terminal by name, as the Pre-OS does. */
const CODE = `
  import { readlinkSync } from 'node:fs';
  import { openTerminal } from ${moduleUrl};
  const terminal = await openTerminal(readlinkSync('/proc/self/fd/0'), 'lines');
  const line = () => new Promise((resolve) => {
    const remove = terminal.onLine((text) => { remove(); resolve(text); });
  });
  terminal.write('');
  terminal.write('first?\\n');
  terminal.write('got ' + await line() + '\\n');
  await terminal.release();
  terminal.write('kept back\\n');
  await terminal.reclaim();
  terminal.write('second?\\n');
  terminal.write('got ' + await line() + '\\n');
  await terminal[Symbol.asyncDispose]();
  process.exit(0);`;

describe('openTerminal', () => {
  it('gives nothing for what is not there or no terminal', async () => {
    expect(await openTerminal('/dev/tty-not-there', 'lines')).toBeUndefined();
    expect(await openTerminal('/dev/null', 'screen')).toBeUndefined();
  });

  it('writes, reads lines, and does so again after it was lent', async () => {
    // script(1) gives the program a terminal and passes what is typed.
    const node = `'${process.execPath}' --input-type=module -e "$TD_CODE"`;
    const child = spawn('script', ['-qfec', node, '/dev/null'], {
      env: { ...process.env, TD_CODE: CODE },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      let text = '';
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString();
      });
      const shows = async (wanted: string) => {
        for (let i = 0; i < 1000 && !text.includes(wanted); i += 1) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        expect(text).toContain(wanted);
      };
      const ended = once(child, 'exit');
      await shows('first?');
      child.stdin.write('one\n');
      await shows('got one');
      await shows('kept back');
      await shows('second?');
      child.stdin.write('two\n');
      await shows('got two');
      await ended;
    } finally {
      child.kill();
    }
  });
});
