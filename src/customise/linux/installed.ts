import type { SystemRoot } from '../system-root.ts';

const PROGRAM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Where a program of the stopped system is; undefined when it is not installed. */
export async function findProgram(root: SystemRoot, name: string): Promise<string | undefined> {
  for (const folder of PROGRAM_FOLDERS) {
    const path = `${folder}/${name}`;
    if ((await root.stat(path))?.isFile()) return path;
  }
  return undefined;
}

const UNIT_FOLDER = '/etc/systemd/system';

/** Whether a systemd service is started at boot: some `.wants` folder, or an alias, links to it; a mask wins. */
export async function isServiceEnabled(root: SystemRoot, name: string): Promise<boolean> {
  const unit = `${name}.service`;
  if ((await root.linkTarget(`${UNIT_FOLDER}/${unit}`)) === '/dev/null') return false;
  for (const entry of await root.list(UNIT_FOLDER)) {
    const isWants = entry.endsWith('.wants') || entry.endsWith('.requires');
    if (isWants && (await root.linkTarget(`${UNIT_FOLDER}/${entry}/${unit}`)) !== undefined) return true;
    if ((await root.linkTarget(`${UNIT_FOLDER}/${entry}`))?.endsWith(`/${unit}`)) return true;
  }
  return false;
}
