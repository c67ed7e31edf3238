import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import type { SystemRoot } from '../system-root.ts';
import { configText, lines, textOf } from './config-text.ts';
import { FIRST_START, type FirstStartStep, firstStartScript, secretPath } from './first-start-script.ts';
import type { LinuxSystem } from './linux-system.ts';

/** Writes what is left for the first start, and has systemd, or else `rc.local`, run it once. */
export const firstStartEdit: Edit<LinuxSystem> = {
  text: 'Prepare what is to be done at the first start',
  async apply(system) {
    const { root, facts, firstStart } = system;
    if (firstStart.length === 0) return 'nothing is left to be done then';
    const rcLocal = facts.systemd ? undefined : await rcLocalOf(system);
    if (!facts.systemd && rcLocal === undefined) {
      throw new TdError(
        'not-found',
        'Cannot run anything at the first start: the system has neither systemd nor rc.local',
      );
    }
    try {
      await writeFolder(root, firstStart);
      await (rcLocal === undefined ? enableUnit(root) : addToRcLocal(root, rcLocal));
    } catch (error) {
      // Secrets without the script that wipes them would stay.
      await root.remove(FIRST_START.folder);
      throw error;
    }
    return undefined;
  },
};

const AS_ROOT = { uid: 0, gid: 0 };

async function writeFolder(root: SystemRoot, steps: readonly FirstStartStep[]): Promise<void> {
  await root.remove(FIRST_START.folder);
  await root.makeDir(FIRST_START.folder, { mode: 0o700 });
  for (const [i, { secret }] of steps.entries()) {
    if (secret !== undefined) await root.write(secretPath(i), `${secret}\n`, { mode: 0o600, ...AS_ROOT });
  }
  await root.write(FIRST_START.script, firstStartScript(steps), { mode: 0o700, ...AS_ROOT });
}

async function enableUnit(root: SystemRoot): Promise<void> {
  await root.write(FIRST_START.unit, UNIT_TEXT, { mode: 0o644, ...AS_ROOT });
  await root.makeLink(FIRST_START.unitLink, FIRST_START.unit);
}

async function addToRcLocal(root: SystemRoot, path: string): Promise<void> {
  await root.write(path, withRcLine(await configText(root, path)), { mode: 0o755 });
}

async function rcLocalOf({ root }: LinuxSystem): Promise<string | undefined> {
  for (const path of FIRST_START.rcLocals) if (await root.exists(path)) return path;
  // BSD-like start scripts call it when it is there.
  return (await root.exists('/etc/rc.d')) || (await root.exists('/etc/init.d/rc.local'))
    ? '/etc/rc.local'
    : undefined;
}

const RC_LINE = `[ ! -f ${FIRST_START.script} ] || /bin/sh ${FIRST_START.script} </dev/null >/dev/null 2>&1 &`;

/** Before a closing `exit`, behind which nothing would run. */
function withRcLine(text: string): string {
  const all = text === '' ? ['#!/bin/sh'] : lines(text).filter((line) => line !== RC_LINE);
  const exit = all.findLastIndex((line) => /^\s*exit\b/.test(line));
  all.splice(exit < 0 ? all.length : exit, 0, RC_LINE);
  return textOf(all);
}

const UNIT_TEXT = `[Unit]
Description=First start after deployment
ConditionPathExists=${FIRST_START.script}
Wants=network-online.target
After=network-online.target systemd-user-sessions.service

[Service]
Type=oneshot
ExecStart=/bin/sh ${FIRST_START.script}
TimeoutStartSec=4h
# What a program leaves running may stay.
KillMode=process

[Install]
WantedBy=multi-user.target
`;
