import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Runs an interactive shell on a terminal until the person leaves it. */
export async function runShell(terminalPath: string, term: string): Promise<void> {
  await using handle = await open(terminalPath, constants.O_RDWR | constants.O_NOCTTY);
  await handle.write('Leave this shell with "exit" to come back.\r\n');
  // A person talks to it directly, so its streams are the terminal and not pipes as in lib/spawn.ts;
  // a session of its own makes Ctrl-C work.
  const child = spawn('busybox', ['setsid', '-c', '/bin/sh'], {
    stdio: [handle.fd, handle.fd, handle.fd],
    env: { ...process.env, TERM: term, PS1: 'pre-os# ' },
  });
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
}
