import { describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import { silentScreen } from '../lib/screen.ts';
import { preosPower } from './power.ts';

describe('preosPower', () => {
  it.each([
    ['shutdown', 'poweroff', 'done shutting down'],
    ['restart', 'reboot', 'done restarting'],
  ] as const)('says %s, flushes, and then asks the kernel', async (action, program, milestone) => {
    const done: string[] = [];
    const power = preosPower({
      screen: { ...silentScreen, milestone: (text) => done.push(text) },
      logger: silentLog,
      runProgram: async (name, args) => {
        done.push([name, ...args].join(' '));
        return { code: 0, stdout: '', stderr: '' };
      },
    });
    await power.act(action);
    expect(done).toEqual([milestone, 'busybox sync', `busybox ${program} -f`]);
  });
});
